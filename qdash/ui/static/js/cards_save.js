// Runs inside gr.HTML. A click on what carries data-save asks for the version of that number to be saved.
element.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-save]");
  if (button) trigger("select", { save: Number(button.dataset.save) });
});
