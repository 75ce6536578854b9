// The dashboard in a browser: curves that grow, a table that keeps itself fresh, keys. Without it the tables,
// samples and findings are all there as plain pages.
"use strict";

const SHORTEST_WAIT = 5000, LONGEST_WAIT = 60000;
const LINES = 8;
const element = (name, text) => { const made = document.createElement(name); if (text !== undefined) made.textContent = text; return made; };
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ------------------------------------------------------------------------------------------------ going on
// Calls `look` again and again while the page is seen: soon after something was new, seldom when nothing is.
function whileSeen(look) {
  let wait = SHORTEST_WAIT, timer = 0, busy = false;
  const again = () => { clearTimeout(timer); if (!document.hidden) timer = setTimeout(turn, wait); };
  async function turn() {
    if (busy || document.hidden) return;
    busy = true;
    try { wait = await look() ? SHORTEST_WAIT : Math.min(1.5 * wait, LONGEST_WAIT); }
    catch { wait = Math.min(2 * wait, LONGEST_WAIT); }
    busy = false;
    again();
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { wait = SHORTEST_WAIT; turn(); } });
  again();
}

// ----------------------------------------------------------------------------------------------- the table
const live = document.getElementById("live");
const chosen = new Set(kept());

// What was chosen stays so while other pages are read in this tab.
function kept() {
  try { return JSON.parse(sessionStorage.getItem("chosen")) ?? []; } catch { return []; }
}

function tellChosen() {
  try { sessionStorage.setItem("chosen", JSON.stringify([...chosen])); } catch { /* then it lasts as long as the page */ }
  document.getElementById("chosen").textContent = chosen.size ? `${chosen.size} chosen.` : "Choose two or more.";
  document.getElementById("choose-none").hidden = !chosen.size;
}

function keepChosen() {
  for (const box of document.querySelectorAll("input[name=run][type=checkbox]")) box.checked = chosen.has(box.value);
  // What is chosen but not on this page of the table is sent all the same.
  const form = document.getElementById("compare");
  for (const old of form.querySelectorAll("input[type=hidden]")) old.remove();
  const here = new Set([...document.querySelectorAll("input[name=run][type=checkbox]")].map(box => box.value));
  for (const name of chosen) if (!here.has(name)) { const one = element("input"); one.type = "hidden"; one.name = "run"; one.value = name; form.append(one); }
  tellChosen();
}

if (live) {
  const filter = document.getElementById("filter");
  document.addEventListener("change", event => {
    const box = event.target;
    if (!box.matches("input[name=run][type=checkbox]")) return;
    if (box.checked) chosen.add(box.value); else chosen.delete(box.value);
    tellChosen();
  });
  document.getElementById("choose-none").addEventListener("click", () => { chosen.clear(); keepChosen(); });
  let page = new URLSearchParams(location.search).get("page");
  let swapped = false;
  document.body.addEventListener("htmx:configRequest", event => {
    event.detail.parameters.seen = document.getElementById("table").dataset.seen;
    if (page) event.detail.parameters.page = page;
  });
  // New rows take the place of the old ones: the keyboard stays where it was, at the same run.
  let held = null;
  live.addEventListener("htmx:beforeSwap", () => {
    const focused = document.activeElement;
    held = live.contains(focused) ? {box: focused.value, link: focused.getAttribute("href")} : null;
  });
  const sameAsHeld = one => held.link ? one.getAttribute("href") === held.link : one.value === held.box;
  live.addEventListener("htmx:afterSwap", () => {
    swapped = true;
    keepChosen();
    if (held) [...live.querySelectorAll(held.link ? "a" : "input")].find(sameAsHeld)?.focus({preventScroll: true});
  });
  const refresh = async () => { swapped = false; await htmx.ajax("GET", "/table", {source: live, target: live, swap: "innerHTML"}); return swapped; };
  whileSeen(refresh);
  let typing = 0;
  // The address says what is shown, for "back", a new load, and whoever gets it.
  const keepAddress = () => {
    const query = new URLSearchParams([...new FormData(filter)].filter(([name, value]) => value && !(name === "sort" && value === "newest")));
    page = null;
    history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  };
  const soon = () => { clearTimeout(typing); typing = setTimeout(async () => { keepAddress(); await refresh(); document.getElementById("spoken").textContent = document.getElementById("count").textContent; }, 250); };
  filter.addEventListener("input", soon);
  filter.addEventListener("submit", event => { event.preventDefault(); soon(); });
  keepChosen();
  // A browser that comes back fills in boxes after this.
  addEventListener("pageshow", keepChosen);
}

// ---------------------------------------------------------------------------------------------------- curves
// Centred moving average over a share of the points, and over what there is of it at the ends.
function smooth(values, share) {
  const half = Math.floor(share * values.length / 2);
  if (half < 1) return values;
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  return values.map((_, place) => {
    const width = Math.min(half, place, values.length - 1 - place);
    return (sums[place + width + 1] - sums[place - width]) / (2 * width + 1);
  });
}

// Lines with steps of their own on one axis: all steps in order, undefined where a line has none.
function aligned(lines, share) {
  const steps = [...new Set(lines.flatMap(line => line.steps))].sort((one, other) => one - other);
  const data = [steps];
  for (const line of lines) {
    const places = new Map(line.steps.map((step, place) => [step, place]));
    const column = values => steps.map(step => places.has(step) ? values[places.get(step)] : undefined);
    data.push(column(smooth(line.mean, share)), column(line.low), column(line.high));
  }
  return data;
}

const short = value => value == null ? "–" : value === 0 ? "0" : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(2) : String(+value.toPrecision(3));
const percent = value => value == null ? "–" : `${+(100 * value).toPrecision(3)}%`;

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.box = figure.querySelector(".plot");
    this.note = figure.querySelector(".note");
    this.title = figure.querySelector("h3").textContent;
    this.tell = "share" in figure.dataset ? percent : short;
    const query = new URLSearchParams();
    for (const run of JSON.parse(figure.dataset.runs)) query.append("run", run);
    for (const metric of JSON.parse(figure.dataset.metrics)) query.append("metric", metric);
    if ("together" in figure.dataset) query.append("together", "yes");
    this.query = query;
    this.seen = null;
    this.lines = null;
    figure.querySelector(".numbers").addEventListener("toggle", () => this.showNumbers());
  }

  // Ask for what is new until all that is there has been read; true if something was.
  async look() {
    if (this.busy) return false;
    this.busy = true;
    try { return await this.readOn(); } finally { this.busy = false; }
  }

  async readOn() {
    let fresh = false, done = false;
    while (!done && !document.hidden) {
      if (this.seen !== null) this.query.set("seen", this.seen);
      const answer = await fetch(`/api/series?${this.query}`);
      if (answer.status === 204) break;
      if (!answer.ok) { this.say((await answer.json()).detail); return fresh; }
      const found = await answer.json();
      [this.seen, this.lines, done, fresh] = [found.seen, found.lines.filter(line => line.steps.length), found.done, true];
      this.say(done ? "" : `A first look, drawn from a few hundred rows; ${Math.round(100 * found.read)}% is read.`);
      this.draw();
    }
    return fresh;
  }

  say(words) { this.note.textContent = words; this.note.hidden = !words; }

  draw() {
    const share = Number(document.getElementById("smoothing")?.value ?? 0);
    this.plot?.destroy();
    this.plot = null;
    this.box.textContent = "";
    if (!this.lines.length) { this.say("No row has it yet."); return; }
    const data = aligned(this.lines, share), series = [{label: "step", value: (_, step) => step == null ? "–" : String(step)}], bands = [];
    this.lines.forEach((line, place) => {
      const stroke = colour(`--series-${place % LINES}`), first = 1 + 3 * place;
      const dash = place >= LINES ? [6, 4] : undefined;
      const banded = line.low.some((low, at) => low !== line.high[at]);
      series.push({label: line.label, stroke, width: 2, dash, spanGaps: true, points: {show: line.steps.length < 3}, value: (_, value) => this.tell(value)});
      // Unsmoothed: the band from the lowest to the highest value, or the single values, faint.
      const faint = {stroke: stroke + (banded ? "00" : share ? "55" : "00"), width: 1, spanGaps: true, points: {show: false}};
      series.push({...faint, label: "lowest"}, {...faint, label: "highest"});
      if (banded) bands.push({series: [first + 2, first + 1], fill: stroke + "2b"});
    });
    const axis = {stroke: colour("--muted"), grid: {stroke: colour("--line"), width: 1}, ticks: {show: false}, font: "12px system-ui, sans-serif"};
    const one = this.figure.parentElement.classList.contains("one");
    this.plot = new uPlot({
      width: this.box.clientWidth, height: one ? 380 : 190, series, bands,
      scales: {x: {time: false}, y: {range: (_, low, high) => this.range(low, high)}},
      axes: [{...axis, size: 28, space: 60, values: (_, all) => all.map(step => step >= 1e4 ? `${+(step / 1000).toPrecision(4)}k` : String(step))},
        {...axis, size: 52, values: (_, all) => all.map(value => this.tell(value))}],
      legend: {markers: {width: 3}},
      cursor: {drag: {x: true, y: false}, points: {size: 6}},
    }, data, this.box);
    // The band's edges need no line in the legend.
    this.box.querySelectorAll(".u-legend .u-series").forEach((row, place) => { if (place && (place - 1) % 3) row.hidden = true; });
    this.box.setAttribute("aria-label", this.words());
    if (this.figure.querySelector(".numbers").open) this.showNumbers();
  }

  range(low, high) {
    if (low == null) return [0, 1];
    if (low === high) { const room = Math.abs(low) / 10 || 1; return [low - room, high + room]; }
    const room = (high - low) * .06;
    return [low >= 0 && low < .3 * high ? 0 : low - room, high + room];
  }

  words() {
    return `Chart of ${this.title}. ` + this.lines.map(line =>
      `${line.label}: ${this.tell(line.mean[0])} at step ${line.steps[0]}, ${this.tell(line.mean.at(-1))} at step ${line.steps.at(-1)}`).join("; ");
  }

  showNumbers() {
    const details = this.figure.querySelector(".numbers"), place = details.querySelector(".scroll");
    if (!details.open || !this.lines) return;
    const table = element("table"), head = element("tr");
    head.append(element("th", "Step"), ...this.lines.map(line => element("th", line.label)));
    for (const cell of head.children) cell.scope = "col";
    const data = aligned(this.lines, 0), count = data[0].length, every = Math.max(1, Math.ceil(count / 24));
    const rows = data[0].map((step, at) => ({step, at})).filter(({at}) => at % every === 0 || at === count - 1);
    const body = element("tbody");
    for (const {step, at} of rows) {
      const row = element("tr");
      row.append(element("td", String(step)), ...this.lines.map((_, line) => element("td", this.tell(data[1 + 3 * line][at]))));
      body.append(row);
    }
    const top = element("thead");
    top.append(head);
    table.append(top, body);
    place.replaceChildren(table);
  }
}

let lookAtCharts = async () => false;
const charts = [...document.querySelectorAll(".chart")].map(figure => new Chart(figure));
if (charts.length) {
  const inView = new Set(), known = new Map(charts.map(chart => [chart.figure, chart]));
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) {
      const chart = known.get(entry.target);
      if (!entry.isIntersecting) { inView.delete(chart); continue; }
      inView.add(chart);
      chart.look();
    }
  }, {rootMargin: "200px"});
  for (const chart of charts) watcher.observe(chart.figure);
  const redraw = () => { for (const chart of charts) if (chart.lines) chart.draw(); };
  document.getElementById("smoothing").addEventListener("change", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = innerWidth, later = 0;
  addEventListener("resize", () => { if (innerWidth === width) return; width = innerWidth; clearTimeout(later); later = setTimeout(redraw, 150); });
  lookAtCharts = async () => (await Promise.all([...inView].filter(chart => chart.lines).map(chart => chart.look()))).some(Boolean);
  if (document.querySelector(".curves[data-running]")) whileSeen(lookAtCharts);
}

// How a run stands: its status, its step, its findings. Curves are asked for only when something has changed.
const fresh = document.getElementById("fresh");
if (fresh) {
  let seen = "";
  const shown = {};
  const tell = (words, link) => { fresh.replaceChildren(link ? Object.assign(element("a", words), {href: location.href}) : words); fresh.hidden = false; };
  const show = (name, part) => {
    // What did not change stays, with what was opened in it and what has the focus.
    const text = part.outerHTML, before = shown[name] ?? document.getElementById(name).outerHTML;
    if (before !== text) document.getElementById(name).replaceWith(part);
    shown[name] = text;
  };
  const look = async () => {
    const answer = await fetch(`/standing?${new URLSearchParams({run: fresh.dataset.run, seen})}`);
    if (answer.status === 204) return false;
    if (!answer.ok) { tell("This run can no longer be read: it was moved or deleted."); return false; }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html"), all = page.getElementById("standing");
    seen = all.dataset.seen;
    for (const name of ["facts", "findings"]) show(name, page.getElementById(name));
    const more = all.dataset.metrics - fresh.dataset.metrics;
    if (more > 0 && !charts.length) location.reload();
    else if (more > 0) tell(`${more} more metric${more > 1 ? "s" : ""} of this run can be drawn: show the page anew`, true);
    await lookAtCharts();
    return true;
  };
  look();
  whileSeen(look);
}

// ------------------------------------------------------------------------------------------------------ keys
// "/" goes to the search, "j" and "k" to the next sample and the one before, "n" to the next page.
document.addEventListener("keydown", event => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { const find = document.getElementById("find"); if (find) { event.preventDefault(); find.focus(); find.select(); } }
  if (event.key === "n") document.getElementById("next")?.click();
  if (event.key === "j" || event.key === "k") {
    const all = [...document.querySelectorAll(".sample")], at = all.findIndex(one => one.classList.contains("current"));
    const next = all[event.key === "j" ? Math.min(at + 1, all.length - 1) : Math.max(at - 1, 0)];
    if (!next) return;
    all[at]?.classList.remove("current");
    next.classList.add("current");
    next.scrollIntoView({block: "nearest"});
    document.getElementById("spoken").textContent = next.querySelector(".head").textContent;
  }
});
