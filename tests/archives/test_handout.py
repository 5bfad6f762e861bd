"""Whatever dies, each scene is written once or has failed once; a killed run goes on from there."""

import random
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smalldet.archives.archive_folder import ArchiveFolder
from smalldet.archives.handout import MAX_LOSSES, Handout, missing_parts
from smalldet.archives.messages import Answer, Bundle, Failure, Join, Part, SceneRecord
from smalldet.archives.partitions import partition, scene_layer
from smalldet.inference.options import MapOptions
from smalldet.inference.prediction_checkpoint import file_name


class KilledError(Exception):
    """The driver is killed."""


class Work:
    """What workers do, without pictures: some scenes are large, broken, or end their worker."""

    def __init__(self, make_result, chance: random.Random, sizes: dict[str, int]) -> None:
        self.chance, self.sizes = chance, sizes
        self.layer = scene_layer(make_result([]), MapOptions(), oriented=False)

    def answer(self, unit) -> Answer:
        if isinstance(unit, Part):
            return Answer(notes={file_name(unit.rows): b"rows"})
        if isinstance(unit, Join):
            assert not missing_parts_of(unit.notes, self.sizes[unit.source])
            return self.written([unit.source])
        done, failures, large = [], [], []
        begun = self.chance.randint(1, len(unit.sources))
        for source in unit.sources[:begun]:
            if source.startswith("broken"):
                failures.append(Failure(source, "ValueError", f"{source}: is damaged"))
            elif self.sizes[source] > 10:
                large.append((source, self.sizes[source]))
            else:
                done.append(source)
        whole = self.written(done) if done else Answer()
        return Answer(
            whole.partition, whole.scenes, tuple(failures), tuple(large), unit.sources[begun:]
        )

    def written(self, sources) -> Answer:
        records = tuple(SceneRecord(source, 9, 9, None, 0) for source in sources)
        return Answer(partition([self.layer], records), records)


def missing_parts_of(notes, num_tiles):
    ranges = [range(*map(int, name.split(".")[0].split("-"))) for name in notes]
    return missing_parts(ranges, num_tiles, 10)


def ends_its_worker(unit) -> bool:
    sources = unit.sources if isinstance(unit, Bundle) else [unit.source]
    return any(source.startswith("deadly") for source in sources)


def run(folder, sources, work, chance, num_workers, dies_at=None) -> Handout:
    """Workers in any order, of which some are killed; the driver too, after so many answers."""
    handout = Handout(sources, folder, 5, 10)
    out, num_answers = [], 0
    while not handout.finished:
        while len(out) < num_workers and (unit := handout.next(num_workers)) is not None:
            out.append(unit)
        unit = out.pop(chance.randrange(len(out)))
        if ends_its_worker(unit):
            handout.lost(unit, "signal 11")
        elif chance.random() < 0.3:
            handout.lost(unit, "the machine was taken away", blameless=True)
        else:
            handout.answered(unit, work.answer(unit))
        num_answers += 1
        if num_answers == dies_at:
            raise KilledError
    return handout


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # it only makes results
@given(seed=st.integers(0, 10_000), dies_at=st.lists(st.integers(1, 12), max_size=3))
def test_nothing_is_lost_or_doubled(make_result, seed, dies_at):
    chance = random.Random(seed)
    kinds = ("scene", "broken", "deadly")
    names = [f"{chance.choices(kinds, (8, 1, 1))[0]}{number}" for number in range(25)]
    sizes = {name: chance.choice((3, 3, 3, 35)) for name in names}
    work = Work(make_result, chance, sizes)
    with TemporaryDirectory() as place:
        for limit in dies_at:
            with ArchiveFolder(Path(place)) as folder, suppress(KilledError):
                folder.begin({"model": "a"})
                run(folder, names, work, chance, chance.randint(1, 4), limit)
        with ArchiveFolder(Path(place)) as folder:
            folder.begin({"model": "a"})
            handout = run(folder, names, work, chance, 3)
            written = [scene.source for scene in folder.scenes()]
        good = sorted(name for name in names if name.startswith("scene"))
        assert sorted(written) == good
        assert sorted(handout.failures) == sorted(set(names) - set(good))
        assert handout.num_done == len(names)
        assert not list(Path(place, ".notes").glob("*/*"))


def test_a_scene_that_ends_its_workers_is_given_up_alone(folder):
    names = [f"{number}" for number in range(8)] + ["deadly"]
    handout = Handout(names, folder, 16, 10)
    num_lost = 0
    while not handout.finished:
        unit = handout.next(1)
        if ends_its_worker(unit):
            handout.lost(unit, "signal 11")
            num_lost += 1
        else:
            handout.answered(unit, Answer())
    (failure,) = handout.failures.values()
    assert failure.source == "deadly" and "3 times: signal 11" in failure.why
    assert num_lost <= 4 + MAX_LOSSES  # halves, and then alone


def test_a_machine_that_is_taken_away_is_no_fault_of_its_unit(folder):
    handout = Handout(["a"], folder, 1, 10)
    for _ in range(3 * MAX_LOSSES):
        handout.lost(handout.next(1), "preempted", blameless=True)
    assert not handout.failures and handout.next(1) == Bundle(("a",))


def test_the_last_scenes_are_shared_out(folder):
    """With bundles of full size to the end one worker would work and the others wait."""
    handout = Handout([str(number) for number in range(100)], folder, 64, 10)
    sizes = []
    while (unit := handout.next(4)) is not None:
        sizes.append(len(unit.sources))
    assert sizes[0] == 13 and sizes[-1] == 1 and sum(sizes) == 100


def test_a_failed_part_gives_up_the_scene_and_keeps_what_is_noted(folder):
    handout = Handout(["large", "other"], folder, 1, 10)
    handout.answered(handout.next(1), Answer(large=(("large", 30),)))
    first, second = handout.next(1), handout.next(1)
    assert isinstance(first, Part) and isinstance(second, Part)
    handout.answered(first, Answer(notes={file_name(first.rows): b"rows"}))
    handout.answered(second, Answer(failures=(Failure("large", "OSError", "large: no answer"),)))
    assert handout.next(1) == Bundle(("other",))
    assert folder.noted_rows("large") == [first.rows]
    handout.answered(Bundle(("other",)), Answer())
    assert handout.finished

    again = Handout(["large"], folder, 1, 10)
    again.answered(again.next(1), Answer(large=(("large", 30),)))
    rows = [unit.rows for unit in (again.next(1), again.next(1)) if isinstance(unit, Part)]
    assert rows == [range(10, 20), range(20, 30)]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6),
    st.integers(1, 70),
    st.integers(1, 30),
)
def test_missing_parts_and_what_is_noted_are_all_tiles(noted, num_tiles, tiles_per_part):
    ranges = [
        range(start, min(start + num, num_tiles)) for start, num in noted if start < num_tiles
    ]
    parts = missing_parts(ranges, num_tiles, tiles_per_part)
    fresh = [row for part in parts for row in part]
    known = {row for rows in ranges for row in rows}
    assert sorted(fresh) == sorted(set(range(num_tiles)) - known)
    assert all(1 <= len(part) <= tiles_per_part for part in parts)
