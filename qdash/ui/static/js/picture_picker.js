// Runs inside gr.HTML. The value is {sample: file} or {upload: path}; the server checks the file itself.
const root = element.querySelector(".picture");
const view = root.querySelector(".view");
const image = view.querySelector("img");
const file = root.querySelector("input");
const note = root.querySelector(".note");
const shows = root.querySelector(".shows");
const thumbs = [...root.querySelectorAll("[data-sample]")];
let preview = null; // object URL of an upload

function draw() {
  const chosen = props.value && props.value.sample;
  for (const thumb of thumbs) thumb.setAttribute("aria-pressed", thumb.dataset.sample === chosen);
  const sample = thumbs.find((thumb) => thumb.dataset.sample === chosen);
  const source = chosen ? sample?.querySelector("img").src : preview ?? sent();
  shows.textContent = sample?.dataset.shows ?? "";
  view.classList.toggle("empty", !source);
  if (source) image.src = source;
  else image.removeAttribute("src");
}

// After the page was loaded again, an upload is only where it was sent to.
function sent() {
  const path = props.value && props.value.upload;
  return path ? `${window.gradio_config.root}/gradio_api/file=${encodeURI(path)}` : null;
}

function choose(value) {
  props.value = value;
  draw();
  trigger("change");
  trigger("select");
}

async function take(picked) {
  if (!picked) return;
  const limit = Number(root.dataset.limit);
  if (picked.size > limit) {
    note.textContent = _("{file} is larger than {size} MiB. Choose a smaller file.", { file: picked.name, size: Math.round(limit / 2 ** 20) });
    return;
  }
  note.textContent = _("Uploading …");
  try {
    const { path } = await upload(picked);
    if (preview) URL.revokeObjectURL(preview);
    preview = URL.createObjectURL(picked);
    note.textContent = "";
    choose({ upload: path });
  } catch {
    note.textContent = _("{file} could not be uploaded. Try another file.", { file: picked.name });
  }
}

// A browser cannot draw every format that the server can read (TIFF); the name says what was chosen.
image.addEventListener("error", () => {
  view.classList.add("empty");
  note.textContent = _("No preview for this file.");
});
for (const thumb of thumbs) thumb.addEventListener("click", () => { note.textContent = ""; choose({ sample: thumb.dataset.sample }); });
root.querySelector(".add").addEventListener("click", () => file.click());
view.addEventListener("click", () => file.click());
file.addEventListener("change", () => { take(file.files[0]); file.value = ""; });
root.addEventListener("dragover", (event) => { event.preventDefault(); view.classList.add("drop"); });
root.addEventListener("dragleave", () => view.classList.remove("drop"));
root.addEventListener("drop", (event) => { event.preventDefault(); view.classList.remove("drop"); take(event.dataTransfer.files[0]); });
document.addEventListener("paste", (event) => {
  const picture = [...(event.clipboardData?.files || [])].find((pasted) => pasted.type.startsWith("image/"));
  if (picture) take(picture);
});
watch("value", draw);
draw();
