// The quadrant explorer of chapter 04, without a kernel. Its rule is quadrant_of of
// empdis_utils/measures/disagreement.py; tests/browser/test_exploring.py compares the two.
(function () {
  "use strict";
  const QUADRANTS = ["blue", "red", "green", "yellow"];
  const here = document.currentScript.src;

  function quadrantOf(one, both, threshold) {
    if (one > threshold) return both > threshold ? "blue" : "red";
    return both > threshold ? "green" : "yellow";
  }

  function entropy(p) {
    const part = (q) => (q > 0 ? -q * Math.log(q) : 0);
    return part(p) + part(1 - p);
  }

  // Plotly reads a little HTML in its texts, links too, and formulas: nothing of the data is either.
  function plain(text) {
    const codes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;" };
    return text.replace(/[&<>$]/g, (sign) => codes[sign]);
  }

  function element(name, text, attributes) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;  // never as HTML: transcripts are data
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    return made;
  }

  function start(root) {
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const controls = {};
    root.querySelectorAll("[data-set]").forEach((control) => { controls[control.dataset.set] = control; });
    const plot = root.querySelector(".explorer-plot");
    const body = root.querySelector(".explorer-counts tbody");
    const card = root.querySelector(".explorer-card");
    const slider = root.querySelector("[data-move='threshold']");
    let threshold = Number(controls.threshold.value);  // as typed: the slider has steps

    function state() {
      const [one, both] = data.conf[controls.modality.value][controls.seed.value];
      const groups = Object.fromEntries(QUADRANTS.map((name) => [name, []]));
      one.forEach((value, i) => {
        if (value !== null && both[i] !== null) groups[quadrantOf(value, both[i], threshold)].push(i);
      });
      return { threshold, one, both, groups };
    }

    function count({ groups, both }) {
      const total = QUADRANTS.reduce((sum, name) => sum + groups[name].length, 0);
      body.replaceChildren(...QUADRANTS.map((name) => {
        const mine = groups[name];
        const mean = mine.reduce((sum, i) => sum + entropy(both[i]), 0) / mine.length;
        const row = element("tr", undefined, { "data-quadrant": name });
        row.append(element("th", name, { scope: "row" }), element("td", data.look.meaning[name]),
          element("td", String(mine.length)), element("td", total ? (mine.length / total).toFixed(3) : ""),
          element("td", mine.length ? mean.toFixed(3) : "no clips"));
        return row;
      }));
    }

    function draw({ threshold, one, both, groups }) {
      const ink = getComputedStyle(root).color;
      const traces = QUADRANTS.map((name) => ({
        type: "scatter", mode: "markers", name: name + " (" + data.look.meaning[name] + ")",
        x: groups[name].map((i) => one[i]), y: groups[name].map((i) => both[i]), customdata: groups[name],
        text: groups[name].map((i) => label(i)), hovertemplate: "%{text}<br>alone %{x:.2f}, fusion %{y:.2f}<extra></extra>",
        marker: { color: data.look.colors[name], symbol: data.look.shapes[name], size: 8, opacity: 0.8 },
      }));
      const line = (shape) => ({ type: "line", line: { color: ink, width: 1, dash: "dot" }, ...shape });
      Plotly.react(plot, traces, {
        xaxis: { title: { text: plain(controls.modality.value) + ": confidence in the correct label" }, range: [-0.02, 1.02] },
        yaxis: { title: { text: "fusion" }, range: [-0.02, 1.02] },
        shapes: [line({ x0: threshold, x1: threshold, y0: 0, y1: 1 }), line({ y0: threshold, y1: threshold, x0: 0, x1: 1 })],
        legend: { orientation: "h", y: -0.2 }, margin: { t: 10, r: 10, l: 50, b: 40 }, height: 460,
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink }, hovermode: "closest",
      }, { responsive: true, displayModeBar: false });
    }

    function label(i) {
      const words = data.clips.transcript[i] || "(no transcript)";
      return plain(data.clips.id[i] + ": " + (words.length > 70 ? words.slice(0, 70) + "…" : words));
    }

    function open(i) {
      const { one, both, threshold } = state();
      const quadrant = quadrantOf(one[i], both[i], threshold);
      const facts = element("dl");
      const fact = (name, value) => facts.append(element("dt", name), element("dd", value));
      fact("recording", data.clips.recording[i]);
      fact("label", data.clips.label[i]);
      fact(controls.modality.value + " model", one[i].toFixed(2) + " for the label");
      fact("fusion model", both[i].toFixed(2) + " for the label");
      fact("quadrant", quadrant + " (" + data.look.meaning[quadrant] + ")");
      card.replaceChildren(element("h4", "Clip " + data.clips.id[i]),
        element("blockquote", data.clips.transcript[i] || "(no transcript)"), facts);
      card.append(data.media
        ? element("video", undefined, {
          controls: "", preload: "metadata", src: data.media.replace("{id}", encodeURIComponent(data.clips.id[i])),
          "aria-label": "Picture and sound of the clip; its words are above",
        })
        : element("p", "Sound and picture of this corpus are not part of the book."));
      card.dataset.clip = data.clips.id[i];
      controls.clip.value = data.clips.id[i];
    }

    function update() {
      if (controls.threshold.validity.valid) threshold = Number(controls.threshold.value);
      slider.value = threshold;
      const now = state();
      count(now);
      draw(now);
      if (card.dataset.clip) open(data.clips.id.indexOf(card.dataset.clip));
    }

    root.querySelector(".explorer-off").hidden = true;
    root.querySelector(".explorer-on").hidden = false;
    for (const name of ["modality", "seed", "threshold"]) controls[name].addEventListener("input", update);
    slider.addEventListener("input", () => { controls.threshold.value = slider.value; update(); });
    controls.clip.addEventListener("change", () => {
      const i = data.clips.id.indexOf(controls.clip.value);
      if (i >= 0) open(i);
    });
    update();
    plot.on("plotly_click", (event) => open(event.points[0].customdata));
    root.dataset.ready = "yes";
  }

  document.addEventListener("DOMContentLoaded", () => {
    const roots = document.querySelectorAll(".explorer");
    if (!roots.length) return;
    const script = document.createElement("script");  // large, so only pages with an explorer load it
    script.src = new URL("../explorer/plotly.min.js", here).href;
    script.onload = () => roots.forEach(start);
    document.head.append(script);
  });
})();
