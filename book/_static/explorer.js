// The quadrant explorer, without a kernel. Its rule is quadrant_of of
// empdis_utils/measures/disagreement.py; tests/browser/test_exploring.py compares the two.
// A CSV of one's own predictions (predictions.js) becomes one more corpus; nothing is sent anywhere.
(function () {
  "use strict";
  const QUADRANTS = ["blue", "red", "green", "yellow"];
  const GLYPHS = { blue: "●", red: "✖", green: "▲", yellow: "■" };
  const MOST_PROBLEMS = 50;  // shown; their number is told
  const here = document.currentScript.src;

  function quadrantOf(one, both, threshold) {
    if (one > threshold) return both > threshold ? "blue" : "red";
    return both > threshold ? "green" : "yellow";
  }

  function entropy(p) {
    const part = (q) => (q > 0 ? -q * Math.log(q) : 0);
    return part(p) + part(1 - p);
  }

  // The likeliest class of a clip from the confidence in its label; a tie is class 0.
  const labelOf = (conf, y) => (y === 1 ? Number(conf > 0.5) : Number(conf < 0.5));

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

  const options = (values) => values.map((value) => element("option", value, { value }));

  function start(root) {
    const first = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const look = first.look, corpora = [first, ...first.more];
    const controls = {};
    root.querySelectorAll("[data-set]").forEach((control) => { controls[control.dataset.set] = control; });
    const part = (name) => root.querySelector(".explorer-" + name);
    const plot = part("plot"), body = part("counts").tBodies[0], card = part("card");
    const slider = root.querySelector("[data-move='threshold']");
    const narrow = window.matchMedia("(max-width: 600px)");
    let data = first;
    let threshold = Number(controls.threshold.value);  // as typed: the slider has steps
    let chosen = -1;  // the clip whose card and path are shown

    function values(seed) {
      return data.conf[controls.modality.value][seed];
    }

    function state() {
      const [one, both] = values(controls.seed.value);
      const groups = Object.fromEntries(QUADRANTS.map((name) => [name, []]));
      one.forEach((value, i) => {
        if (value !== null && both[i] !== null) groups[quadrantOf(value, both[i], threshold)].push(i);
      });
      return { one, both, groups };
    }

    // ---- counts ------------------------------------------------------------------------------

    function count({ one, both, groups }) {
      const all = QUADRANTS.flatMap((name) => groups[name]);
      body.replaceChildren(...QUADRANTS.map((name) => {
        const mine = groups[name];
        const mean = mine.reduce((sum, i) => sum + entropy(both[i]), 0) / mine.length;
        const row = element("tr", undefined, { "data-quadrant": name });
        row.append(element("th", name, { scope: "row" }), element("td", look.meaning[name]),
          element("td", String(mine.length)), element("td", all.length ? (mine.length / all.length).toFixed(3) : ""),
          element("td", mine.length ? mean.toFixed(3) : "no clips"));
        return row;
      }));
      const differ = all.filter((i) => labelOf(one[i], data.clips.y[i]) !== labelOf(both[i], data.clips.y[i])).length;
      part("differ").textContent = controls.modality.value + " and fusion give another label on " + differ + " of "
        + all.length + " clips (" + (differ / all.length).toFixed(3) + "), whatever the threshold.";
    }

    // ---- picture -----------------------------------------------------------------------------

    const seeds = () => data.seeds.filter((seed) => seed !== "ensemble");

    function path() {
      const at = seeds().map((seed) => values(seed).map((list) => list[chosen]));
      const names = at.map(([one, both], k) => "seed " + seeds()[k] + ": " + quadrantOf(one, both, threshold));
      return {
        type: "scatter", mode: "lines+markers+text", name: "this clip, seed by seed", showlegend: false,
        x: at.map(([one]) => one), y: at.map(([, both]) => both), text: seeds().map(plain), textposition: "top center",
        hovertext: names.map(plain), hovertemplate: "%{hovertext}<extra></extra>", customdata: at.map(() => chosen),
        line: { width: 1.5, dash: "dot" }, marker: { size: 7, symbol: "circle-open" }, cliponaxis: false,
      };
    }

    function draw({ one, both, groups }) {
      const ink = getComputedStyle(root).color, grid = { gridcolor: "rgba(128,128,128,0.25)", zeroline: false };
      const traces = QUADRANTS.map((name) => ({
        type: "scatter", mode: "markers", name: name + " (" + look.meaning[name] + ")",
        x: groups[name].map((i) => one[i]), y: groups[name].map((i) => both[i]), customdata: groups[name],
        text: groups[name].map((i) => label(i)), hovertemplate: "%{text}<br>alone %{x:.2f}, fusion %{y:.2f}<extra></extra>",
        marker: { color: look.colors[name], symbol: look.shapes[name], size: 8, opacity: chosen < 0 ? 0.8 : 0.55 },
      }));
      const line = (shape) => ({ type: "line", line: { color: ink, width: 1, dash: "dot" }, ...shape });
      const notes = QUADRANTS.map((name) => ({
        x: "blue red".includes(name) ? 1.01 : -0.01, y: "blue green".includes(name) ? 1.01 : -0.01, text: name,
        xanchor: "blue red".includes(name) ? "right" : "left", yanchor: "blue green".includes(name) ? "bottom" : "top",
        showarrow: false, font: { color: ink, size: 13 },
      }));
      if (chosen >= 0 && one[chosen] !== null) {
        if (seeds().length > 1) {
          const followed = path();
          followed.line.color = followed.marker.color = ink;
          traces.push(followed);
        }
        traces.push({
          type: "scatter", mode: "markers", showlegend: false, hoverinfo: "skip", x: [one[chosen]], y: [both[chosen]],
          customdata: [chosen], marker: { size: 17, symbol: "circle-open", color: ink, line: { width: 2.5, color: ink } },
        });
        notes.push({
          x: one[chosen], y: both[chosen], text: plain(data.clips.id[chosen]), ax: one[chosen] > 0.5 ? -40 : 40,
          ay: both[chosen] > 0.5 ? 36 : -36, font: { color: ink, size: 13 }, arrowcolor: ink,
        });
      }
      Plotly.react(plot, traces, {
        xaxis: { title: { text: plain(controls.modality.value) + ": confidence in the correct label" }, range: [-0.02, 1.02], ...grid },
        yaxis: { title: { text: "fusion" }, range: [-0.07, 1.07], ...grid }, annotations: notes,
        shapes: [line({ x0: threshold, x1: threshold, y0: 0, y1: 1 }), line({ y0: threshold, y1: threshold, x0: 0, x1: 1 })],
        showlegend: false, margin: { t: 10, r: 10, l: narrow.matches ? 40 : 50, b: 42 }, height: narrow.matches ? 360 : 460,
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink }, hovermode: "closest",
      }, { responsive: true, displayModeBar: false });
    }

    function label(i) {
      const words = data.clips.transcript[i];
      const short = words.length > 70 ? words.slice(0, 70) + "…" : words;
      return plain(data.clips.id[i] + (words ? ": " + short : ""));
    }

    // ---- one clip ----------------------------------------------------------------------------

    function walk() {
      const columns = [...new Set([0.3, 0.4, 0.5, 0.6, 0.7, threshold])].sort((a, b) => a - b);
      const table = element("table", undefined, { class: "explorer-walk" }), head = element("tr"), rows = element("tbody");
      const seen = new Set();
      head.append(element("th", "seed", { scope: "col" }), ...columns.map((at) => (
        element("th", String(Number(at.toFixed(5))), { scope: "col", ...(at === threshold ? { class: "now" } : {}) }))));
      for (const seed of data.seeds) {
        const row = element("tr"), [one, both] = values(seed).map((list) => list[chosen]);
        row.append(element("th", seed, { scope: "row" }), ...columns.map((at) => {
          const name = quadrantOf(one, both, at);
          if (at === threshold && seed !== "ensemble") seen.add(name);
          const cell = element("td", undefined, { "data-quadrant": name, ...(at === threshold ? { class: "now" } : {}) });
          cell.append(element("span", GLYPHS[name], { "aria-hidden": "true" }), " " + name);
          return cell;
        }));
        rows.append(row);
      }
      const text = seeds().length < 2 ? "One training." : seen.size === 1 ? "The same quadrant in every training at this threshold."
        : "In " + seeds().length + " trainings at this threshold it is " + [...seen].join(", then ") + ".";
      table.append(element("caption", "Training (down), threshold (across)"), element("thead"), rows);
      table.tHead.append(head);
      const wrapper = element("div", undefined, { class: "explorer-scroll", tabindex: "0", role: "region", "aria-label": "Quadrant of the clip by training and threshold" });
      wrapper.append(table);
      return [element("p", text), wrapper];
    }

    function truth(i) {
      const told = (data.clips.planted || [])[i];
      if (!told) return [];
      const made = element("details", undefined, { class: "explorer-truth" });
      made.append(element("summary", "Reveal what was planted in it"), element("p", told));
      made.open = Boolean(card.querySelector(".explorer-truth[open]"));
      return [made];
    }

    function media(i) {
      if (!data.media) return element("p", "Sound and picture of these clips are not part of the book.");
      const source = data.media.replace("{id}", encodeURIComponent(data.clips.id[i]));
      const old = card.querySelector("video");
      if (old && old.getAttribute("src") === source) return old;  // it may be playing
      return element("video", undefined, {
        controls: "", preload: "metadata", src: source, "aria-label": "Picture and sound of the clip; its words are above",
      });
    }

    function tell() {
      const { one, both } = state(), i = chosen;
      const quadrant = quadrantOf(one[i], both[i], threshold);
      const facts = element("dl");
      const fact = (name, value) => facts.append(element("dt", name), element("dd", value));
      fact("recording", data.clips.recording[i]);
      fact("label", data.clips.label[i]);
      fact(controls.modality.value + " model", one[i].toFixed(2) + " for the label");
      fact("fusion model", both[i].toFixed(2) + " for the label");
      fact("quadrant", quadrant + " (" + look.meaning[quadrant] + ")");
      const words = data.clips.transcript[i];
      card.replaceChildren(element("p", "Clip " + data.clips.id[i], { class: "explorer-clip" }),
        words ? element("blockquote", words) : element("p", "(no transcript)"), media(i), facts, ...walk(), ...truth(i));
      card.dataset.clip = data.clips.id[i];
      controls.clip.value = data.clips.id[i];
    }

    function open(i) {
      chosen = i;
      update();
    }

    // ---- corpora -----------------------------------------------------------------------------

    function fill() {
      const seed = controls.seed.value, modality = controls.modality.value;
      controls.modality.replaceChildren(...options(data.modalities));
      controls.seed.replaceChildren(...options([...data.seeds].sort((a, b) => (b === "ensemble") - (a === "ensemble"))));
      if (data.seeds.includes(seed)) controls.seed.value = seed;
      if (data.modalities.includes(modality)) controls.modality.value = modality;
      controls.clip.list.replaceChildren(...options(data.clips.id));
      const n = data.clips.id.length;
      part("which").textContent = n < data.n_clips ? "A seeded sample of " + n + " of " + data.n_clips + " clips, to keep this page small."
        : "All " + n + " clips.";
      part("reset").textContent = "Threshold of the run (" + data.threshold + ")";
    }

    function choose(corpus) {
      data = corpus;
      chosen = data.marked ? data.clips.id.indexOf(data.marked) : -1;
      threshold = data.threshold;
      controls.threshold.value = threshold;
      card.replaceChildren();
      delete card.dataset.clip;
      controls.clip.value = "";
      fill();
      update();
    }

    function add(corpus) {
      corpora.push(corpus);
      controls.corpus.append(element("option", corpus.title, { value: String(corpora.length - 1) }));
      controls.corpus.value = String(corpora.length - 1);
      choose(corpus);
    }

    // ---- one's own predictions ---------------------------------------------------------------

    function list(problems) {
      const rows = element("tbody");
      for (const { line, column, expected, found } of problems.slice(0, MOST_PROBLEMS)) {
        const row = element("tr");
        row.append(element("th", String(line), { scope: "row" }), ...[column, expected, found.slice(0, 80)].map((text) => element("td", text)));
        rows.append(row);
      }
      const table = element("table", undefined, { class: "explorer-bad" }), head = element("tr");
      head.append(...["line", "column", "expected", "found"].map((text) => element("th", text, { scope: "col" })));
      table.append(element("thead"), rows);
      table.tHead.append(head);
      return table;
    }

    async function take(file) {
      if (!file) return;
      const result = window.readPredictions(new Uint8Array(await file.arrayBuffer()));
      const n = result.problems.length, said = part("said");
      part("problems").hidden = !n;
      part("problems").replaceChildren(...(n ? [list(result.problems)] : []));
      if (n) {
        const more = n > MOST_PROBLEMS ? " The first " + MOST_PROBLEMS + " are listed." : "";
        said.textContent = file.name + " was not taken: " + n + (n === 1 ? " value is" : " values are") + " not as expected." + more;
        root.dataset.own = "refused";
        return;
      }
      add({ ...result.data, title: file.name, media: "", threshold: 0.5 });
      said.textContent = file.name + " was taken: " + result.data.clips.id.length + " clips, "
        + result.data.modalities.join(", ") + " against " + result.fusion + ". It stayed on this computer.";
      root.dataset.own = "taken";
    }

    const own = root.querySelector("[data-own]"), drop = part("own");
    own.addEventListener("change", () => { take(own.files[0]); own.value = ""; });
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", name === "dragover");
        if (name === "drop") take(event.dataTransfer.files[0]);
      });
    }

    // ---- everything follows the controls -----------------------------------------------------

    function update() {
      if (controls.threshold.validity.valid) threshold = Number(controls.threshold.value);
      slider.value = threshold;
      const now = state();
      count(now);
      draw(now);
      if (chosen >= 0) tell();
    }

    part("off").hidden = true;
    part("on").hidden = false;
    for (const name of ["modality", "seed", "threshold"]) controls[name].addEventListener("input", update);
    controls.corpus.addEventListener("input", () => choose(corpora[Number(controls.corpus.value)]));
    slider.addEventListener("input", () => { controls.threshold.value = slider.value; update(); });
    part("reset").addEventListener("click", () => { controls.threshold.value = data.threshold; update(); });
    controls.clip.addEventListener("change", () => {
      const i = data.clips.id.indexOf(controls.clip.value);
      if (i >= 0) open(i);
    });
    new MutationObserver(() => draw(state())).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    choose(first);
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
