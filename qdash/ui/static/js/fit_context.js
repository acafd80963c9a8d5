// Runs inside gr.HTML. The value: `tokens`, a power of two, and `chosen`, whether somebody has moved the slider.
const range = element.querySelector("input");
const said = element.querySelector("output");

function draw() {
  const tokens = Number(props.value.tokens);
  range.value = Math.log2(tokens);
  said.textContent = tokens.toLocaleString(document.documentElement.lang || "en");
  range.setAttribute("aria-valuetext", said.textContent);
}

range.addEventListener("input", () => {
  props.value = { tokens: 2 ** Number(range.value), chosen: true };
  draw();
  trigger("change");
});
watch("value", draw);
draw();
