// Runs inside gr.HTML. The value is a budget as people write it; the slider writes bits per weight.
const range = element.querySelector("input[type=range]");
const written = element.querySelector("input[type=text]");
const said = element.querySelector("output");

function draw() {
  written.value = props.value;
  const bits = /^\s*(\d+(?:\.\d+)?)\s*bits?\s*$/i.exec(props.value);
  if (bits) range.value = bits[1];
  said.textContent = bits ? Number(bits[1]).toLocaleString(document.documentElement.lang || "en") : "–";
  range.setAttribute("aria-valuetext", said.textContent);
}

function set(value) {
  if (value === props.value) return;
  props.value = value;
  draw();
  trigger("change");
}

range.addEventListener("input", () => set(`${Number(range.value)}bits`));
written.addEventListener("change", () => set(written.value));
watch("value", draw);
draw();
