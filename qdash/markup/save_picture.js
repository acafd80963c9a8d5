// A chart saved as a picture: with its title, in a size of its own, on the ground it lies on, under a name that says what it shows (see
// qdash/charts/style.py). Plotly's camera button does the work, unseen: ours is reached by keyboard and finger too. On the page and in reports.
(() => {
  const WIDTH = 960, HEAD = 56, SCALE = 2;

  // The figure as it is to be saved; returns how it was. Plotly copies it at once, so nothing of this is seen on the page.
  function dressed(figure, height) {
    const { layout } = figure;
    const before = Object.fromEntries(["title", "margin", "paper_bgcolor"].map((name) => [name, layout[name]]));
    const sheet = figure.closest(".sheet, .panel") ?? document.body;
    const style = getComputedStyle(sheet);
    const { title = "", model = "" } = layout.meta ?? {};
    layout.title = {
      text: `<b>${title}</b><br><span style="font-size:12px">${model} · qdash</span>`,
      x: 16 / WIDTH, xref: "container", xanchor: "left", y: 1 - 28 / height, yref: "container", yanchor: "top",
      font: { size: 16, color: style.color },
    };
    layout.margin = { ...layout.margin, t: (layout.margin?.t ?? 0) + HEAD };
    layout.paper_bgcolor = style.backgroundColor;
    return before;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".save-picture");
    if (!button) return;
    const place = document.getElementById(button.dataset.saves);
    const figure = place?.matches(".js-plotly-plot") ? place : place?.querySelector(".js-plotly-plot");
    const camera = [...(figure?.querySelectorAll(".modebar-btn") ?? [])].find((one) => /^Download plot/.test(one.dataset.title));
    if (!camera) return;
    const height = (figure.layout.height ?? figure.clientHeight) + HEAD;
    figure._context.toImageButtonOptions = { format: "png", filename: figure.layout.meta?.file ?? "qdash", width: WIDTH, height, scale: SCALE };
    const before = dressed(figure, height);
    camera.click();
    Object.assign(figure.layout, before);
  });
})();
