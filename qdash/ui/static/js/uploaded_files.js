// Runs inside gr.HTML. The value is a list of {upload: path, name}; the server checks the files themselves.
const root = element.querySelector(".question-file");
const input = root.querySelector("input");
const said = root.querySelector(".name");
let turn = 0;

const isPicture = (file) => /\.(png|jpe?g|webp|gif|bmp|tiff?|avif)$/i.test(file.name);
const listed = (files) => {
  const names = files.map((file) => file.name).join(", ");
  return files.length === 1 ? names : ngettext("{number} file: {names}", "{number} files: {names}", files.length, { names });
};

// Pictures that come after their questions, or questions after their pictures, join what is there; all else replaces it.
async function take(files) {
  if (!files.length) return;
  const mine = (turn += 1);
  const limit = Number(root.dataset.limit);
  const large = files.find((file) => file.size > limit);
  if (large) {
    said.textContent = _("{file} is larger than {size} MiB. Choose a smaller file.", { file: large.name, size: Math.round(limit / 2 ** 20) });
    return;
  }
  const before = (props.value || []).filter((known) => !files.some((file) => file.name === known.name));
  const joins = (files.every(isPicture) && !before.some((known) => /\.zip$/i.test(known.name))) || before.every(isPicture);
  const all = joins ? [...before] : [];
  if (all.length + files.length > Number(root.dataset.most)) {
    said.textContent = _("At most {most} files can be chosen. Put them into one ZIP file.", { most: root.dataset.most });
    return;
  }
  for (const [place, file] of files.entries()) {
    const far = { number: place + 1, total: files.length };
    said.textContent = files.length === 1 ? _("Uploading …") : _("Uploading {number} of {total} …", far);
    try {
      const { path } = await upload(file);
      if (mine !== turn) return;
      all.push({ upload: path, name: file.name });
    } catch {
      said.textContent = _("{file} could not be uploaded. Try another file; put a folder into a ZIP file first.", { file: file.name });
      return;
    }
  }
  said.textContent = listed(all);
  props.value = all;
  trigger("change");
}

root.querySelector("button").addEventListener("click", () => input.click());
input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("drop"); });
root.addEventListener("dragleave", () => root.classList.remove("drop"));
root.addEventListener("drop", (event) => { event.preventDefault(); root.classList.remove("drop"); take([...event.dataTransfer.files]); });
