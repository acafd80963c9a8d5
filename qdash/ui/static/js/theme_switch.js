// Runs inside gr.HTML. Gradio sets the class of the body from the system's preference or ?__theme=; any change of it fires "change".
let dark = document.body.classList.contains("dark");

element.querySelector("button").addEventListener("click", () => document.body.classList.toggle("dark"));

new MutationObserver(() => {
  if (document.body.classList.contains("dark") === dark) return;
  dark = !dark;
  trigger("change");
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
