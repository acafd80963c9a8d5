// Runs inside gr.HTML. The value is a number of tokens, a power of two.
const range = element.querySelector("input");
const said = element.querySelector("output");

function draw() {
  const tokens = Number(props.value);
  range.value = Math.log2(tokens);
  said.textContent = tokens.toLocaleString(document.documentElement.lang || "en");
  range.setAttribute("aria-valuetext", said.textContent);
}

range.addEventListener("input", () => {
  props.value = 2 ** Number(range.value);
  draw();
  trigger("change");
});
watch("value", draw);
draw();
