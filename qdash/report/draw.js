// Draws the figures of a report, in the colours of the reader's screen.
(() => {
  const dark = matchMedia("screen and (prefers-color-scheme: dark)"); // paper is white
  const draw = () => document.querySelectorAll(".chart").forEach((place) => {
    const figure = JSON.parse(document.getElementById(`${place.id}-data`).textContent)[dark.matches ? "dark" : "light"];
    place.style.height = `${figure.layout.height}px`; // which Plotly forgets when the window changes its size
    Plotly.react(place, figure.data, figure.layout, { responsive: true, displaylogo: false });
  });
  draw();
  dark.addEventListener("change", draw);
})();
