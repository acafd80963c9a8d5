// Runs inside gr.HTML. The value is a list: keys of the checked rows in their order, then recipes and {model, scheme} that were added.
const all = (selector) => [...element.querySelectorAll(selector)];
const pills = all(".pill[data-keys]");
const more = element.querySelector(".more");
const added = element.querySelector(".added");
const recipe = element.querySelector(".builder.recipe");
const row = element.querySelector(".builder.rows");
const find = element.querySelector(".find");
const found = element.querySelector(".found p");
const clear = element.querySelector(".clear");
const SAID_RULES = 6; // more are not named one by one
const opened = new Set(); // rows that say what their scheme is
let expanded = false;
let named = null; // the preset whose tutorial's names are shown

const boxes = () => all(".opt input");
const keys = () => boxes().filter((box) => box.checked).map((box) => (box.dataset.row ? JSON.parse(box.dataset.row) : box.value));
const same = (a, b) => a.length === b.length && a.every((key) => b.includes(key));
const boxOf = (key) => boxes().find((box) => box.value === key);
const lineOf = (box) => box.closest(".choice") ?? box.closest("label");
const nameIn = (box) => box.closest("label").querySelector(".name").firstChild.textContent;
const nameOf = (key) => (boxOf(key) ? nameIn(boxOf(key)) : key);

const reasonOf = (key) => props.reasons[key] || props.unsuited[key];
const runnable = (keys) => keys.filter((key) => !reasonOf(key));

// What the chosen device cannot run, or not on the chosen model, is disabled and says why. A row that is checked already can still be unchecked.
function explain() {
  for (const box of all(".opt input")) {
    if (box.closest(".added")) continue;
    const name = box.closest("label").querySelector(".name");
    const reason = reasonOf(box.value);
    box.disabled = Boolean(reason) && !box.checked;
    name.querySelector(".reason")?.remove();
    if (reason) name.append(Object.assign(document.createElement("span"), { className: "reason", textContent: reason }));
  }
  for (const option of all(".builder option")) option.disabled = option.value in props.reasons;
}

// Without a search, rows that are not chosen hide behind “more”; with one, rows that do not match are hidden.
function isHidden(box, query) {
  if (!query.length) return Boolean(box.closest(".rest")) && !expanded && !box.checked;
  const bits = box.value === "original" ? props.original : "";
  return !matches(query, `${lineOf(box).dataset.find ?? lineOf(box).textContent} ${bits}`);
}

// Chosen schemes that have left the list are still reported.
function tell(query) {
  const shown = boxes().filter((box) => !lineOf(box).hidden).length;
  const away = boxes().filter((box) => box.checked && lineOf(box).hidden).map(nameIn);
  const matched = shown
    ? ngettext("{number} scheme matches.", "{number} schemes match.", shown)
    : _("No scheme matches “{words}”.", { words: find.value.trim() });
  const number = keys().length;
  const chosen = away.length
    ? _("{number} chosen, {away} of them not in this list: {schemes}.", { number, away: away.length, schemes: away.join(" · ") })
    : ngettext("{number} chosen.", "{number} chosen.", number);
  const words = query.length ? `${matched} ${chosen}` : "";
  if (found.textContent !== words) found.textContent = words;
  clear.hidden = !find.value;
}

function draw() {
  const query = wordsOf(find.value);
  explain();
  for (const box of boxes()) {
    box.closest("label").classList.toggle("on", box.checked);
    lineOf(box).hidden = isHidden(box, query);
  }
  const hidden = all(".rest .choice[hidden]").length;
  for (const group of all(".group")) {
    group.querySelector(".group-name").hidden = query.length ? !group.querySelector(".choice:not([hidden])") : !expanded;
  }
  for (const alias of all(".alias"))
    alias.hidden = alias.dataset.preset !== named && !query.some((word) => matches([word], alias.dataset.name));
  for (const line of all(".choice")) {
    const open = opened.has(line.querySelector("input").value);
    line.querySelector(".info").setAttribute("aria-expanded", open);
    line.querySelector(".about").hidden = !open;
  }
  for (const pill of pills) pill.setAttribute("aria-pressed", same(runnable(JSON.parse(pill.dataset.keys)), keys()));
  more.hidden = Boolean(query.length) || (!hidden && !expanded);
  more.textContent = expanded ? _("− fewer") : ngettext("+ {number} more scheme", "+ {number} more schemes", hidden);
  more.setAttribute("aria-expanded", expanded);
  tell(query);
  for (const label of recipe.querySelectorAll("[data-part=vision], [data-part=projector]")) label.hidden = !props.sees;
}

function search(text) {
  find.value = text;
  draw();
}

// What a rule about the KV cache asks for, as the builder offers it; null for rules about layers.
const cacheOf = ([part, key]) => (part === "kv" ? recipe.querySelector(`[name=kv] option[value="${CSS.escape(key)}"]`) : null);

// The colour of a mix is that of its fewest bits; dashed if any of it is simulated.
function classesOf(schemes, caches = []) {
  const lists = schemes.map((key) => boxOf(key)?.closest("label").classList).filter(Boolean);
  const bits = ["b2", "b4", "b6", "b8"].find((name) => lists.some((list) => list.contains(name))) ?? "b16";
  const simulated = lists.some((list) => list.contains("sim")) || caches.some((cache) => cache.dataset.kind === "simulated");
  return simulated ? `${bits} sim` : bits;
}

// What a recipe is called, as in qdash/catalog/recipes.py: rule by rule, and in short where there are many.
function saidOf(rules, caches) {
  const quantizing = rules.filter((rule) => rule[1] !== "original").map(([part, key]) => [part, nameOf(key).split(" ")[0]]);
  const formats = caches.map((cache) => cache.dataset.label);
  if (rules.length <= SAID_RULES) return [...quantizing.map(([part, name]) => (part === "*" ? name : `${part} ${name}`)), ...formats].join(" · ");
  const schemes = [...new Set(quantizing.map((rule) => rule[1]))].join(", ");
  return [_("Mix · {schemes} · {number} rules", { schemes, number: rules.length }), ...formats].join(" · ");
}

function addRow(entry) {
  const mixed = typeof entry === "string";
  const value = mixed ? entry : `${entry.model}@${entry.scheme}`;
  const known = boxOf(value);
  if (known) return (known.checked = true);
  const written = mixed ? entry.split(",").map((rule) => rule.split("=")) : [];
  const caches = written.map(cacheOf).filter(Boolean);
  const rules = written.filter((rule) => rule[0] !== "kv");
  const label = document.createElement("label");
  label.className = `opt ${classesOf(mixed ? rules.map((rule) => rule[1]).filter((key) => key !== "original") : [entry.scheme], caches)}`;
  label.title = value;
  const box = Object.assign(document.createElement("input"), { type: "checkbox", value, checked: true });
  if (!mixed) box.dataset.row = JSON.stringify(entry);
  const dot = Object.assign(document.createElement("span"), { className: "dot", ariaHidden: "true" });
  const name = Object.assign(document.createElement("span"), { className: "name" });
  name.textContent = mixed ? saidOf(rules, caches) : `${entry.model.split("/").pop()}: ${nameOf(entry.scheme)}`;
  box.setAttribute("aria-label", name.textContent);
  const remove = Object.assign(document.createElement("button"), { type: "button", className: "link remove", textContent: "✕" });
  remove.setAttribute("aria-label", _("Remove {scheme}", { scheme: name.textContent }));
  remove.addEventListener("click", (event) => {
    event.preventDefault();
    label.remove();
    commit();
  });
  label.append(box, dot, name, remove);
  added.append(label);
}

function check(wanted) {
  for (const box of boxes()) if (!box.closest(".added")) box.checked = wanted.includes(box.value);
  for (const label of added.querySelectorAll("label")) label.querySelector("input").checked = false;
  for (const entry of wanted) if (typeof entry !== "string" || entry.includes("=")) addRow(entry);
  draw();
}

function commit() {
  draw();
  props.value = keys();
  trigger("change");
}

function offer(builder, entry) {
  builder.classList.toggle("incomplete", !entry);
  if (!entry) return;
  addRow(entry);
  commit();
}

const choice = (builder, name) => builder.querySelector(`[name=${name}]`).value.trim();

recipe.querySelector(".add").addEventListener("click", () => {
  const selects = [...recipe.querySelectorAll("label:not([hidden]) select")].filter((select) => select.value && !["glob-scheme", "kv"].includes(select.name));
  const rules = selects.map((select) => `${select.name}=${select.value}`);
  if (choice(recipe, "glob") && choice(recipe, "glob-scheme")) rules.push(`${choice(recipe, "glob")}=${choice(recipe, "glob-scheme")}`);
  if (choice(recipe, "kv")) rules.push(`kv=${choice(recipe, "kv")}`);
  offer(recipe, rules.some((rule) => !rule.endsWith("=original")) && rules.join(","));
});
row.querySelector(".add").addEventListener("click", () => {
  const model = choice(row, "model");
  offer(row, model && { model, scheme: choice(row, "scheme") });
});

element.addEventListener("change", (event) => event.target.matches(".opt input") && commit());
find.addEventListener("input", draw);
find.addEventListener("keydown", (event) => {
  if (event.key === "Escape") search("");
  if (event.key !== "ArrowDown" && (event.key !== "Enter" || event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  boxes().find((box) => !lineOf(box).hidden && !box.disabled)?.focus();
});
clear.addEventListener("click", () => {
  search("");
  find.focus();
});
element.addEventListener("click", (event) => {
  const key = event.target.closest(".info") && event.target.closest(".choice").querySelector("input").value;
  if (!key) return;
  if (!opened.delete(key)) opened.add(key);
  draw();
});
for (const pill of pills)
  pill.addEventListener("click", () => {
    element.querySelector(".preset-about").textContent = pill.title;
    if (pill.ariaDisabled === "true") return;
    const before = keys();
    named = pill.dataset.preset;
    find.value = "";
    check(runnable(JSON.parse(pill.dataset.keys)));
    commit();
    trigger("select", { preset: pill.dataset.preset, before });
  });
more.addEventListener("click", () => {
  expanded = !expanded;
  draw();
});
watch(["value", "original", "sees", "reasons", "unsuited"], () => check(props.value));
check(props.value);
