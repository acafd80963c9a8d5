// Runs inside gr.HTML. The value is the list of checked keys, in the order of the rows.
const boxes = [...element.querySelectorAll("input")];
const pills = [...element.querySelectorAll(".pill")];
const more = element.querySelector(".more");
let expanded = false;

const keys = () => boxes.filter((box) => box.checked).map((box) => box.value);
const same = (a, b) => a.length === b.length && a.every((key) => b.includes(key));

function draw() {
  let hidden = 0;
  for (const box of boxes) {
    const row = box.closest("label");
    row.hidden = !expanded && !box.checked && row.dataset.starter === "0";
    row.classList.toggle("on", box.checked);
    hidden += row.hidden;
  }
  for (const pill of pills) pill.setAttribute("aria-pressed", same(JSON.parse(pill.dataset.keys), keys()));
  more.hidden = !hidden && !expanded;
  more.textContent = expanded ? "− fewer" : `+ ${hidden} more scheme${hidden === 1 ? "" : "s"}`;
  more.setAttribute("aria-expanded", expanded);
}

function check(wanted) {
  for (const box of boxes) box.checked = wanted.includes(box.value);
  draw();
}

function commit() {
  draw();
  props.value = keys();
  trigger("change");
}

element.addEventListener("change", commit);
for (const pill of pills)
  pill.addEventListener("click", () => {
    check(JSON.parse(pill.dataset.keys));
    commit();
  });
more.addEventListener("click", () => {
  expanded = !expanded;
  draw();
});
watch(["value", "original"], () => check(props.value));
check(props.value);
