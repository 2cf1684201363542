// A CSV of predictions, read in the page: nothing of it leaves the computer. The rules are those of
// read_predictions in empdis_utils/data/manifests.py; tests/browser/test_exploring.py holds the two
// to the same cases. Two classes only: the explorer draws no more.
(function () {
  "use strict";
  const ABOUT_CLIP = ["clip_id", "y", "seed", "dialog_id", "split", "label", "transcript"];
  const NAMES = ["clip_id", "dialog_id", "label", "split"];
  const SPLITS = ["train", "val", "test"];
  const INVISIBLE = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff";
  const ENDS = new RegExp("^[\\s" + INVISIBLE + "]+|[\\s" + INVISIBLE + "]+$", "g");
  const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;
  const COUNT = /^[0-9]{1,9}$/;

  const plain = (text) => text.normalize("NFC").replace(ENDS, "");
  const look = (text) => plain(text).replace(new RegExp("[" + INVISIBLE + "]", "g"), "").replace(/\s+/g, " ");
  const number = (text) => (NUMBER.test(text) ? Number(text) : NaN);
  const problem = (line, column, expected, found) => ({ line, column, expected, found: String(found) });

  // Lines whose bytes are no UTF-8.
  function notText(bytes) {
    const found = [];
    for (let line = 1, start = 0; start <= bytes.length; line += 1) {
      const stop = bytes.indexOf(10, start) < 0 ? bytes.length : bytes.indexOf(10, start);
      try {
        new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, stop));
      } catch {
        found.push(problem(line, "(any)", "UTF-8 text", "other bytes"));
      }
      start = stop + 1;
    }
    return found;
  }

  // Rows of a CSV with the line that each starts on. Stops where quotes are broken, and says so.
  function rowsOf(text) {
    const rows = [];
    let fields = [], field = "", quoted = false, closed = false, line = 1, start = 1;
    const end = () => { fields.push(field); field = ""; closed = false; };
    const broken = (why) => ({ rows, problems: [problem(start, "(any)", "well-formed CSV", why)] });
    for (let i = 0; i < text.length; i += 1) {
      const sign = text[i];
      const newline = sign === "\n" || sign === "\r";
      if (newline && sign === "\r" && text[i + 1] === "\n") continue;  // counted with its \n
      if (newline) line += 1;
      if (quoted) {
        if (sign !== '"') field += sign;
        else if (text[i + 1] === '"') { field += '"'; i += 1; }
        else { quoted = false; closed = true; }
      } else if (newline) {
        if (fields.length || field || closed) { end(); rows.push({ line: start, fields }); }
        fields = [];
        start = line;
      } else if (sign === ",") end();
      else if (closed) return broken("something after a closing quote");
      else if (sign === '"' && field === "") quoted = true;
      else field += sign;
    }
    if (quoted) return broken("a quote without its end");
    if (fields.length || field || closed) { end(); rows.push({ line: start, fields }); }
    return { rows, problems: [] };
  }

  // The table as text: {names, rows: [{line, NAME: value}]}, and what is wrong with its form.
  function tableOf(bytes) {
    const found = notText(bytes);
    const { rows, problems } = rowsOf(new TextDecoder("utf-8").decode(bytes));
    found.push(...problems);
    const names = rows.length ? rows.shift().fields.map(plain) : [];
    const first = new Map();
    for (const name of names) {
      const seen = first.get(look(name));
      if (seen === undefined) first.set(look(name), name);
      else if (seen !== name) found.push(problem(1, name, "another name than " + seen + ", which looks the same", name));
    }
    const repeated = names.filter((name, i) => names.indexOf(name) !== i);
    for (const column of names.length ? new Set(["clip_id", "y", ...repeated]) : []) {
      if (names.filter((name) => name === column).length !== 1) found.push(problem(1, column, "this column, once", names.join(",")));
    }
    if (!rows.length) found.push(problem(1, "(any)", "at least one row", "none"));
    for (const { line, fields } of rows) {
      if (fields.length !== names.length) found.push(problem(line, "(any)", names.length + " fields", fields.length + " fields"));
    }
    const whole = rows.filter(({ fields }) => fields.length === names.length).map(({ line, fields }) => (
      { line, at: Object.fromEntries(names.map((name, i) => [name, fields[i]])) }));
    return { names, rows: whole, problems: found };
  }

  // Which columns are models, which of them is fusion, and which stand for one modality.
  function modelsOf(names) {
    const models = names.filter((name) => !ABOUT_CLIP.includes(name));
    const classes = models.filter((name) => name.includes(":") || !name);
    if (classes.length) {
      const expected = "one column for each model: this page takes two classes (make study PROFILE=predictions takes more)";
      return { problems: classes.map((name) => problem(1, name || "(any)", expected, name || "no name")) };
    }
    if (models.length < 2) {
      const expected = "two columns of probabilities or more: a model of one modality, and fusion";
      return { problems: [problem(1, "(any)", expected, models.join(", ") || "none")] };
    }
    const parts = (name) => name.split("+").length;
    const most = Math.max(...models.map(parts));
    const joint = models.includes("fusion") ? ["fusion"] : models.filter((name) => most > 1 && parts(name) === most);
    const single = models.filter((name) => parts(name) === 1 && name !== joint[0]);
    const lost = joint.length === 1 && parts(joint[0]) > 1 ? joint[0].split("+").filter((name) => !single.includes(name)) : [];
    const problems = [];
    if (joint.length !== 1) problems.push(problem(1, "(any)", "one model that is called fusion", models.join(", ")));
    else if (lost.length || !single.length) problems.push(problem(1, "(any)", "a model of " + (lost.join(", ") || "one modality"), models.join(", ")));
    return { models, fusion: joint[0], single, problems };
  }

  // Names without what cannot be seen, in place; rows where two names would become one.
  function cleanNames(names, rows) {
    const found = [];
    for (const column of [...NAMES, "y", "seed"].filter((name) => names.includes(name))) {
      const first = new Map();
      for (const row of rows) {
        const raw = row.at[column];
        let made = plain(raw);
        if (column === "split" && [...SPLITS, "all"].includes(made.toLowerCase())) made = made.toLowerCase();
        if (!first.has(look(made))) first.set(look(made), raw);
        if (NAMES.includes(column) && first.get(look(made)) !== raw) {
          found.push(problem(row.line, column, "names that look different", JSON.stringify(raw) + " beside " + JSON.stringify(first.get(look(made)))));
        }
        row.at[column] = made;
      }
    }
    return found;
  }

  function badCells(names, models, rows) {
    const found = [];
    for (const model of models) {
      const bad = rows.filter((row) => !(number(row.at[model]) >= 0 && number(row.at[model]) <= 1));
      if (bad.length > Math.max(rows.length / 2, 1)) {
        const expected = "probabilities; a column about the clip is one of " + ABOUT_CLIP.join(", ");
        found.push(problem(1, model, expected, bad.length + " of " + rows.length + " rows hold none, such as " + bad[0].at[model]));
      } else found.push(...bad.map((row) => problem(row.line, model, "a probability, 0 to 1", row.at[model])));
    }
    const rules = {
      clip_id: [(text) => text.trim() !== "", "not empty"], dialog_id: [(text) => text.trim() !== "", "not empty"],
      label: [(text) => text.trim() !== "", "not empty"], seed: [(text) => COUNT.test(text), "a whole number, 0 or more"],
      split: [(text) => SPLITS.includes(text), "train or val or test"],
      y: [(text) => [0, 1].includes(number(text)), "0 or 1"],
    };
    for (const column of Object.keys(rules).filter((name) => names.includes(name))) {
      const [holds, expected] = rules[column];
      found.push(...rows.filter((row) => !holds(row.at[column])).map((row) => problem(row.line, column, expected, row.at[column])));
    }
    return found;
  }

  function badTogether(names, rows) {
    const found = [], seeds = names.includes("seed");
    const given = new Set(), first = new Map(), labels = new Map();
    for (const { line, at } of rows) {
      const key = JSON.stringify([at.clip_id, seeds ? at.seed : ""]);
      if (given.has(key)) found.push(problem(line, "clip_id", seeds ? "a clip and seed once" : "a clip once", at.clip_id + (seeds ? ", seed " + at.seed : "")));
      given.add(key);
      if (!first.has(at.clip_id)) first.set(at.clip_id, at);
      for (const column of seeds ? names.filter((name) => ABOUT_CLIP.includes(name) && name !== "clip_id" && name !== "seed") : []) {
        if (first.get(at.clip_id)[column] !== at[column]) found.push(problem(line, column, "the same for every seed", at[column]));
      }
      const y = number(at.y);
      if (!labels.has(y)) labels.set(y, at.label);
      if (names.includes("label") && labels.get(y) !== at.label) found.push(problem(line, "label", "one label for each y", at.label));
    }
    const known = rows.every(({ at }) => [0, 1].includes(number(at.y)));
    if (known && labels.size < 2) found.push(problem(1, "y", "two classes", "only " + rows[0].at.y));
    if (names.includes("split") && !rows.some(({ at }) => at.split === "test")) found.push(problem(1, "split", "test clips", "none"));
    return found;
  }

  // What the explorer draws: the shape of explorer.records, for the test clips.
  function recordsOf(names, single, fusion, rows) {
    const tested = rows.filter(({ at }) => !names.includes("split") || at.split === "test");
    const clips = [...new Set(tested.map(({ at }) => at.clip_id))].sort();
    const seedOf = (at) => (names.includes("seed") ? String(Number(at.seed)) : "0");
    const seeds = [...new Set(tested.map(({ at }) => seedOf(at)))].sort((a, b) => a - b);
    const at = new Map(tested.map((row) => [JSON.stringify([row.at.clip_id, seedOf(row.at)]), row.at]));
    const row = (clip, seed) => at.get(JSON.stringify([clip, seed]));
    const gaps = clips.flatMap((clip) => seeds.filter((seed) => !row(clip, seed)).map((seed) => clip + "/" + seed));
    if (gaps.length) return { problems: [problem(1, "seed", "every clip with every seed", gaps.length + " are missing: " + gaps.slice(0, 5).join(", "))] };
    const known = clips.map((clip) => row(clip, seeds[0]));
    const conf = (clip, seed, model) => {
      const p = number(row(clip, seed)[model]);
      return number(row(clip, seed).y) === 1 ? p : 1 - p;
    };
    const mean = (clip, model) => seeds.reduce((sum, seed) => sum + conf(clip, seed, model), 0) / seeds.length;
    const of = (model, seed) => clips.map((clip) => (seed === "ensemble" ? mean(clip, model) : conf(clip, seed, model)));
    const all = [...seeds, "ensemble"];
    return {
      problems: [],
      data: {
        n_clips: clips.length, modalities: single, seeds: all,
        clips: {
          id: clips, y: known.map((one) => number(one.y)), recording: known.map((one) => one.dialog_id || one.clip_id),
          label: known.map((one) => one.label || String(number(one.y))), transcript: known.map((one) => one.transcript || ""),
        },
        conf: Object.fromEntries(single.map((model) => [model,
          Object.fromEntries(all.map((seed) => [seed, [of(model, seed), of(fusion, seed)]]))])),
      },
    };
  }

  // bytes (Uint8Array) -> {data, fusion, problems}: data as for the explorer, or problems by line.
  window.readPredictions = function (bytes) {
    const { names, rows, problems } = tableOf(bytes);
    if (problems.length) return { problems };
    const { models, single, fusion, problems: wrong } = modelsOf(names);
    if (!models) return { problems: wrong };
    const found = [...cleanNames(names, rows), ...badCells(names, models, rows), ...badTogether(names, rows), ...wrong];
    if (found.length) return { problems: found };
    return { fusion, ...recordsOf(names, single, fusion, rows) };
  };
})();
