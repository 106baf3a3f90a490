// The page of a run: which judge is shown, and the browser of samples. Samples come in scripts that call `emBench`, as a
// page from disk may not fetch files; a script is loaded when a page of samples needs it.
"use strict";
const emBench = (() => {
  const PAGE = 25, LONG = 3000;
  let meta = null, starts = [], found = [], page = 0;
  const chunks = new Map(), waiting = new Map();
  const place = document.getElementById("samples");
  const browser = document.getElementById("browser");

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text; // never markup: texts are foreign
    return node;
  };
  const load = (name) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = place.dataset.folder + name;
    script.onload = done;
    script.onerror = () => failed(new Error(`${name} is missing`));
    document.head.append(script);
  });
  const chunkOf = (sample) => {
    let low = 0, high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= sample) low = middle; else high = middle - 1;
    }
    return low;
  };
  const texts = async (sample) => {
    const number = chunkOf(sample);
    if (!chunks.has(number)) {
      if (!waiting.has(number)) waiting.set(number, load(`samples-${number}.js`));
      await waiting.get(number);
    }
    return chunks.get(number)[sample - starts[number]];
  };

  const choices = {};
  const select = (name, title, options) => {
    const label = make("label", "", `${title} `);
    const field = make("select");
    for (const [value, text] of [["", "all"], ...options]) {
      const option = make("option", "", text);
      option.value = value;
      field.append(option);
    }
    field.addEventListener("change", filter);
    choices[name] = field;
    label.append(field);
    return label;
  };
  const spaced = (text) => text.replaceAll("_", " ");

  const filter = () => {
    const domain = choices.domain.value, task = choices.task.value, word = choices.word.value;
    const judges = choices.judge.value ? [choices.judge.value] : meta.judges;
    const wanted = meta.words.indexOf(word);
    found = [];
    for (let sample = 0; sample < meta.task.length; sample++) {
      const at = meta.task[sample];
      if (domain && meta.domains[at] !== domain) continue;
      if (task && meta.tasks[at] !== task) continue;
      if (choices.judge.value && meta.verdicts[choices.judge.value][sample] < 0) continue;
      if (word && !judges.some((judge) => meta.verdicts[judge][sample] === wanted)) continue;
      if (choices.disagree.checked && meta.disagree[sample] !== "1") continue;
      found.push(sample);
    }
    page = 0;
    draw();
  };

  const words = (parent, title, text) => {
    const box = make("div");
    box.append(make("h4", "", title));
    const body = make("p", "words", text.length > LONG ? text.slice(0, LONG) + "…" : text);
    body.dir = "auto";
    box.append(body);
    if (text.length > LONG) {
      const more = make("button", "button", `Show all ${text.length.toLocaleString("en")} characters`);
      more.type = "button";
      more.addEventListener("click", () => { body.textContent = text; more.remove(); });
      box.append(more);
    }
    parent.append(box);
  };
  const card = (sample, text) => {
    const at = meta.task[sample];
    const article = make("article", "sample");
    const head = make("header");
    head.append(make("span", "badge", spaced(meta.domains[at] || meta.kinds[at] || "")), make("span", "", `${meta.tasks[at]} · ${text.d} · response ${text.r + 1}`));
    if (meta.disagree[sample] === "1") head.append(make("span", "badge demo", "judges disagree"));
    const body = make("div", "text");
    words(body, "Prompt", text.p);
    words(body, "Response", text.a);
    const verdicts = make("ul");
    for (const judge of meta.judges) {
      const word = meta.verdicts[judge][sample];
      if (word < 0) continue;
      const item = make("li", "", `${judge}: `);
      item.append(make("span", "word", spaced(meta.words[word])), text.v[judge] ? ` · ${text.v[judge]}` : "");
      verdicts.append(item);
    }
    article.append(head, body, verdicts);
    return article;
  };

  let list, status, back, next;
  const draw = async () => {
    const from = page * PAGE, shown = found.slice(from, from + PAGE), mine = page;
    status.textContent = found.length ? `${from + 1} to ${from + shown.length} of ${found.length.toLocaleString("en")} samples` : "No sample fits; take a filter away.";
    back.disabled = !page;
    next.disabled = from + PAGE >= found.length;
    try {
      const read = await Promise.all(shown.map(texts));
      if (mine === page) list.replaceChildren(...shown.map((sample, number) => card(sample, read[number])));
    } catch (error) {
      list.replaceChildren(make("p", "note", `These samples could not be read: ${error.message}`));
    }
  };
  const turn = (step) => { page += step; draw(); browser.scrollIntoView(); };

  const open = () => {
    const form = make("form", "controls");
    form.addEventListener("submit", (event) => event.preventDefault());
    const unique = (values) => [...new Set(values)].filter(Boolean).map((value) => [value, spaced(value)]);
    form.append(
      select("domain", "Domain", unique(meta.domains)), select("task", "Task", meta.tasks.map((task) => [task, task])),
      select("judge", "Judge", meta.judges.map((judge) => [judge, judge])), select("word", "Verdict", unique(meta.words)),
    );
    const label = make("label", "switch");
    choices.disagree = make("input");
    choices.disagree.type = "checkbox";
    choices.disagree.addEventListener("change", filter);
    label.append(choices.disagree, " Judges disagree");
    form.append(label);
    const pager = make("div", "pager");
    back = make("button", "button", "Back");
    next = make("button", "button", "Next");
    for (const [button, step] of [[back, -1], [next, 1]]) {
      button.type = "button";
      button.addEventListener("click", () => turn(step));
    }
    status = make("span");
    status.setAttribute("role", "status");
    pager.append(back, next, status);
    list = make("div");
    list.id = "list";
    browser.replaceChildren(form, pager, list);
    browser.hidden = false;
    document.getElementById("warning").hidden = true;
    filter();
    choices.domain.focus();
  };

  const start = () => {
    const panels = [...document.querySelectorAll("[data-panel]")];
    const tabs = [...document.querySelectorAll("[data-tab]")];
    const pick = (number) => {
      for (const panel of panels) panel.hidden = panel.dataset.panel !== number;
      for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.tab === number));
    };
    if (tabs.length) {
      document.getElementById("tabs").hidden = false;
      for (const tab of tabs) tab.addEventListener("click", () => pick(tab.dataset.tab));
      pick(tabs[0].dataset.tab);
    }
    const button = document.getElementById("show");
    if (!button) return;
    button.disabled = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        if (!meta) await load("samples.js");
        open();
      } catch (error) {
        browser.hidden = false;
        browser.replaceChildren(make("p", "note", `The samples could not be read: ${error.message}`));
      }
    });
  };
  // a page of one file holds all its scripts at its end, a page of the site is read before they run
  setTimeout(start);

  return {
    index(values) {
      meta = values;
      starts = [];
      let at = 0;
      for (const size of meta.sizes) { starts.push(at); at += size; }
    },
    chunk(number, values) { chunks.set(number, values); },
  };
})();
