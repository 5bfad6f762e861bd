// An enlarged crop of the scene's own pixels around an object.

import { ask, sceneQuery } from "./service.js";

const SHOWN_PX = 512;

export async function showCrop(figure, scene, box, colour, text) {
  const [x1, y1, x2, y2] = box;
  const side = Math.min(1024, Math.max(32, Math.ceil(3 * Math.max(x2 - x1, y2 - y1))));
  const middle = { x: (x1 + x2) / 2, y: (y1 + y2) / 2, side };
  const query = `${sceneQuery(scene)}&${new URLSearchParams(middle)}`;
  const answer = await ask(`crop?${query}`);
  const [left, top] = ["X-Left", "X-Top"].map((name) => Number(answer.headers.get(name)));
  const picture = await createImageBitmap(await answer.blob());
  const canvas = figure.querySelector("canvas"), drawing = canvas.getContext("2d");
  const scale = SHOWN_PX / Math.max(picture.width, picture.height);
  canvas.width = Math.round(picture.width * scale); canvas.height = Math.round(picture.height * scale);
  drawing.imageSmoothingEnabled = false;
  drawing.drawImage(picture, 0, 0, canvas.width, canvas.height);
  drawing.strokeStyle = colour; drawing.lineWidth = 2;
  drawing.strokeRect((x1 - left) * scale - 1, (y1 - top) * scale - 1,
    (x2 - x1) * scale + 2, (y2 - y1) * scale + 2);
  figure.querySelector("figcaption").textContent = text;
  figure.hidden = false;
}
