// Runs inside gr.HTML. The value is {upload: path, name}; the server checks the file itself.
const root = element.querySelector(".question-file");
const input = root.querySelector("input");
const said = root.querySelector(".name");

async function take(file) {
  if (!file) return;
  const limit = Number(root.dataset.limit);
  if (file.size > limit) {
    said.textContent = `${file.name} is larger than ${Math.round(limit / 2 ** 20)} MB. Choose a smaller file.`;
    return;
  }
  said.textContent = "Uploading …";
  try {
    const { path } = await upload(file);
    said.textContent = file.name;
    props.value = { upload: path, name: file.name };
    trigger("change");
  } catch {
    said.textContent = `${file.name} could not be uploaded. Try another file.`;
  }
}

root.querySelector("button").addEventListener("click", () => input.click());
input.addEventListener("change", () => { take(input.files[0]); input.value = ""; });
root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("drop"); });
root.addEventListener("dragleave", () => root.classList.remove("drop"));
root.addEventListener("drop", (event) => { event.preventDefault(); root.classList.remove("drop"); take(event.dataTransfer.files[0]); });
