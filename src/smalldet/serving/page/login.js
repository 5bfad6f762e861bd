// Asks for the token where the service wants one.

let asking = null;

export function login() {
  asking ??= new Promise((done) => {
    const dialog = document.querySelector(".login"), form = dialog.querySelector("form");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", async function enter(event) {
      event.preventDefault();
      const answer = await fetch("login", { method: "POST", body: new FormData(form) });
      if (!answer.ok) {
        dialog.querySelector(".wrong").textContent = "That is not the token.";
        return;
      }
      form.removeEventListener("submit", enter);
      form.reset();
      dialog.close();
      asking = null;
      done();
    });
    dialog.showModal();
  });
  return asking;
}
