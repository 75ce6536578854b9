// The ranking page. The selects in the form are the truth: places are read from them and written to them, so
// the page works without this script too. Here responses move to where their place puts them, keys and
// dragging set places, what happened is spoken, and time in front of the page is counted. Keys act on a
// response that is on the screen only; whatever moves, the page itself stays where it was scrolled to.
"use strict";

document.documentElement.classList.add("js");

const spoken = () => document.getElementById("spoken");
const form = () => document.getElementById("ranking");
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function say(text) {
  // A repeated text is spoken again only if it changes.
  spoken().textContent = spoken().textContent === text ? text + "\u00a0" : text;
}

// ------------------------------------------------------------------------------------------------- places

const cards = () => all(".response", form());
const select = (card) => card.querySelector("select");
const place = (card) => Number(select(card).value) || 0;
const name = (card) => "Response " + card.dataset.letter;
const shownAs = (card) => Number(card.dataset.position);
const sharing = (card) => cards().filter((other) => other !== card && place(other) === place(card));

function setPlace(card, value) {
  select(card).value = value ? String(value) : "";
}

/** Tiers of cards, best first; within a tier in the order on the page. */
function tiers() {
  const found = [];
  for (const card of all("#placed .response")) {
    const last = found[found.length - 1];
    if (last && place(last[0]) === place(card)) last.push(card);
    else found.push([card]);
  }
  return found;
}

function setTiers(found) {
  found.filter((tier) => tier.length).forEach((tier, index) => tier.forEach((card) => setPlace(card, index + 1)));
}

/** Make a list hold cards in an order, moving as few as can be: `first` before all others, if it is one. */
function fill(list, wanted, first) {
  const before = (card) => wanted.slice(wanted.indexOf(card) + 1).find((next) => next.parentNode === list && next !== first);
  if (first && wanted.includes(first)) list.insertBefore(first, before(first) || null);
  wanted.forEach((card, index) => {
    const there = all(".response", list)[index];
    if (there !== card) list.insertBefore(card, there || null);
  });
}

/** Put every card where its place says, keep focus and scrolling where they were, show what is missing. */
function arrange(acted) {
  const focused = document.activeElement;
  const scrolled = window.scrollY;
  const placed = document.getElementById("placed");
  const open = document.getElementById("open");
  const ranked = [...all(".response", placed), ...all(".response", open)].filter(place);
  ranked.sort((first, second) => place(first) - place(second));
  const rest = cards().filter((card) => !place(card));
  rest.sort((first, second) => shownAs(first) - shownAs(second));
  fill(placed, ranked, acted);
  fill(open, rest, acted);
  const moved = focused && focused !== document.activeElement && form().contains(focused);
  if (moved) focused.focus({ preventScroll: true });
  for (const card of cards()) {
    const tied = place(card) > 0 && sharing(card).length > 0;
    card.querySelector(".badge").textContent = place(card) || "–";
    card.querySelector(".tied").hidden = !tied;
    card.querySelector(".tie").setAttribute("aria-pressed", String(tied));
  }
  document.querySelector("#open-title").hidden = rest.length === 0;
  const missing = document.getElementById("missing");
  missing.textContent = rest.length ? `${rest.length} still to place` : "All placed";
  markCurrent();
  if (window.scrollY !== scrolled) window.scrollTo({ top: scrolled, behavior: "instant" });
}

/** The card that number keys act on: the one with the focus, else the first without a place. */
function current() {
  const focused = document.activeElement && document.activeElement.closest(".response");
  return focused || all("#open .response")[0] || null;
}

function markCurrent() {
  const chosen = current();
  for (const card of cards()) card.classList.toggle("current", card === chosen);
}

/** The part of the window, from top to bottom, that the bar with the button leaves free. */
function freeHeight() {
  return Math.min(window.innerHeight, form().querySelector(".actions").getBoundingClientRect().top);
}

/** Whether a card can be read: all of it is on the screen, or it fills most of the screen. */
function inView(card) {
  const box = card.getBoundingClientRect();
  const seen = Math.min(box.bottom, freeHeight()) - Math.max(box.top, 0);
  return seen >= Math.min(box.height - 1, 0.6 * freeHeight());
}

/** Scroll to a card unless it can be read already; one that is higher than the screen is shown from its top. */
function show(card) {
  if (!card || inView(card)) return;
  const box = card.getBoundingClientRect();
  const down = box.height > freeHeight() || box.top < 0 ? box.top - 8 : box.bottom - freeHeight() + 8;
  window.scrollBy({ top: down, behavior: "instant" });
}

function tell(card) {
  if (!place(card)) return say(`${name(card)} is not placed.`);
  const others = sharing(card).map((other) => other.dataset.letter);
  const left = all("#open .response").length;
  const tie = others.length ? `, tied with ${others.join(" and ")}` : "";
  say(`${name(card)}: place ${place(card)}${tie}. ${left ? left + " left to place." : "All placed."}`);
}

function changed(card) {
  keepDraft();
  arrange(card);
  tell(card);
}

function up(card) {
  const found = tiers();
  const at = found.findIndex((tier) => tier.includes(card));
  if (at < 0) {
    setTiers([...found, [card]]);
    setPlace(card, found.length + 1);
  } else if (found[at].length > 1) {
    setTiers([...found.slice(0, at), [card], found[at].filter((other) => other !== card), ...found.slice(at + 1)]);
  } else if (at > 0) {
    setTiers([...found.slice(0, at - 1), [card], found[at - 1], ...found.slice(at + 1)]);
  }
  changed(card);
}

function down(card) {
  const found = tiers();
  const at = found.findIndex((tier) => tier.includes(card));
  if (at < 0) {
    setTiers(found);
    setPlace(card, found.length + 1);
  } else if (found[at].length > 1) {
    setTiers([...found.slice(0, at), found[at].filter((other) => other !== card), [card], ...found.slice(at + 1)]);
  } else if (at < found.length - 1) {
    setTiers([...found.slice(0, at), found[at + 1], [card], ...found.slice(at + 2)]);
  }
  changed(card);
}

/** Tie with the tier above, or end the tie. A response without a place joins the last tier. */
function tie(card) {
  const found = tiers();
  const at = found.findIndex((tier) => tier.includes(card));
  if (at >= 0 && found[at].length > 1) return down(card);
  if (at === 0 || (at < 0 && !found.length)) return say("There is nothing above to tie with.");
  const others = at < 0 ? found : [...found.slice(0, at), ...found.slice(at + 1)];
  const joined = at < 0 ? found.length - 1 : at - 1;
  setTiers(others.map((tier, index) => (index === joined ? [...tier, card] : tier)));
  changed(card);
}

// ------------------------------------------------------------------------------------------- drag and drop

function dropped(card) {
  const inOrder = all("#placed .response");
  const found = [];
  for (const other of inOrder) {
    const last = found[found.length - 1];
    const before = last && last[last.length - 1];
    const tied = before && other !== card && before !== card && place(before) === place(other);
    if (tied) last.push(other);
    else found.push([other]);
  }
  if (!inOrder.includes(card)) setPlace(card, 0);
  setTiers(found);
  changed(card);
}

function makeDraggable() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const id of ["placed", "open"]) {
    Sortable.create(document.getElementById(id), {
      group: "responses",
      handle: ".handle",
      draggable: ".response",
      animation: still ? 0 : 140,
      forceFallback: true,
      fallbackTolerance: 3,
      emptyInsertThreshold: 40,
      onEnd: (event) => dropped(event.item),
    });
  }
}

// ---------------------------------------------------------------------------------------------------- keys

const KEYS_SETTING = "practicum-number-keys";

function keysEverywhere() {
  return localStorage.getItem(KEYS_SETTING) !== "off";
}

function onKey(event) {
  if (!form() || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.id === "other_reason" && event.key === "Enter") {
    event.preventDefault();
    return document.getElementById("skip-now").click();
  }
  const inCard = target.closest(".response");
  if (!inCard && (target.matches("input, select, textarea") || !keysEverywhere())) return;
  if (!/^[0-9]$/.test(event.key) || Number(event.key) > Number(form().dataset.count)) return;
  const card = current();
  if (!card) return;
  event.preventDefault();
  if (!inView(card)) {
    show(card);
    markCurrent();
    return hint(`${name(card)} was off the screen. Here it is: read it, then press the number again.`);
  }
  setPlace(card, Number(event.key));
  changed(card);
  if (inCard) return show(card);
  if (all("#open .response").length) return show(current());
  form().querySelector("button.main").focus({ preventScroll: true });
}

/** Say something and show it beside the button until the next change. */
function hint(text) {
  say(text);
  document.getElementById("missing").textContent = text;
}

// ------------------------------------------------------------------------------------------ a half-made order

const DRAFT = "practicum-draft";

/** The page that an order is made on: another prompt, or the same one after an undo, is another page. */
function pageName() {
  return [location.pathname, form().elements.assignment.value, form().elements.turn.value].join(" ");
}

const entries = () => all(".place select, .flags input", form());

/** Keep what was entered for as long as the tab is open, so that a reload or a step back loses nothing. */
function keepDraft() {
  if (!form()) return;
  const values = entries().map((entry) => [entry.name, entry.type === "checkbox" ? entry.checked : entry.value]);
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify({ page: pageName(), values }));
  } catch {
    // A browser that keeps nothing: the page works as well.
  }
}

function restoreDraft() {
  let draft = null;
  try {
    draft = JSON.parse(sessionStorage.getItem(DRAFT));
  } catch {
    return;
  }
  if (!draft || draft.page !== pageName()) return;
  const values = new Map(draft.values);
  for (const entry of entries()) {
    if (!values.has(entry.name)) continue;
    if (entry.type === "checkbox") entry.checked = values.get(entry.name);
    else entry.value = values.get(entry.name);
  }
}

// ---------------------------------------------------------------------------------------- time in front of it

let counted = 0;
let since = null;

function count() {
  if (since !== null) counted += (performance.now() - since) / 1000;
  since = document.hidden ? null : performance.now();
}

// ------------------------------------------------------------------------------------------------ the page

function onClick(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const card = button.closest(".response");
  if (card) {
    if (button.matches(".up")) up(card);
    if (button.matches(".down")) down(card);
    if (button.matches(".tie")) tie(card);
    // A press of a key follows the card it moves; a finger or a mouse keeps the page still.
    if (button.matches(".up, .down, .tie") && event.detail === 0) show(card);
  }
  if (button.matches(".copy")) {
    const field = document.getElementById(button.dataset.copies);
    field.select();
    navigator.clipboard.writeText(field.value).then(() => say("Copied."), () => say("Select the link and copy it."));
  }
}

/** Called for a fresh page and after each swap of its content. */
function start() {
  if (!form()) return;
  counted = 0;
  since = null;
  count();
  const keys = document.getElementById("number-keys");
  keys.checked = keysEverywhere();
  keys.addEventListener("change", () => localStorage.setItem(KEYS_SETTING, keys.checked ? "on" : "off"));
  makeDraggable();
  restoreDraft();
  arrange();
}

const STILL_HERE = "Your order is still here; try again in a moment.";
const OLD_FIGURES = {
  ended: "These figures are no longer renewed: you are logged out. Reload the page to log in.",
  failed: "These figures are old: the server does not answer. They are renewed when it does.",
};

/** Say on the page what went wrong; `asked` says that somebody did something and wants to know. */
function complain(text, asked = true) {
  let problem = document.querySelector("#work .problem");
  if (!problem) {
    problem = document.createElement("p");
    problem.className = "problem";
    problem.setAttribute("role", "alert");
    document.querySelector("#work main, main").prepend(problem);
  }
  if (problem.textContent !== text) problem.textContent = text;
  if (asked) problem.scrollIntoView({ block: "nearest" });
}

function removeComplaint() {
  for (const problem of all("#work .problem")) problem.remove();
}

/** Before anything is sent: the time, and that nothing is missing. Returns whether it may be sent. */
function ready(submitter) {
  count();
  form().elements.seconds.value = counted.toFixed(1);
  const open = all("#open .response");
  if (!open.length || (submitter && submitter.getAttribute("formaction"))) return true;
  complain(`Give every response a place, then save: ${open.map((card) => card.dataset.letter).join(", ")} ${open.length > 1 ? "are" : "is"} missing. Equal places are fine.`);
  select(open[0]).focus();
  return false;
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", onClick);
document.addEventListener("focusin", () => form() && markCurrent());
document.addEventListener("visibilitychange", count);
document.addEventListener("change", (event) => {
  const card = event.target.closest(".response");
  if (!card) return;
  if (event.target.matches("select")) changed(card);
  else keepDraft();
});
document.addEventListener("htmx:configRequest", (event) => {
  // The values were collected before this: the time has to be put in by hand.
  if (!form() || !event.detail.path.match(/\/rate\/(submit|skip)$/)) return;
  const skips = event.detail.path.endsWith("/rate/skip");
  if (!ready(skips ? document.getElementById("skip-now") : null)) return event.preventDefault();
  event.detail.parameters.seconds = form().elements.seconds.value;
});
document.addEventListener("htmx:beforeRequest", (event) => {
  // The owner's figures are not renewed under the hands of somebody who reads or uses them.
  const figures = event.target.id === "figures" && event.target;
  if (figures && (figures.contains(document.activeElement) || figures.querySelector("details[open]"))) {
    event.preventDefault();
  }
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "work" && !document.querySelector("#work [data-focus]")) return;
  if (event.detail.elt && event.detail.elt.id === "figures") return;
  start();
  const heading = document.querySelector("#work [data-focus]");
  if (heading) heading.focus({ preventScroll: true });
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  const status = event.detail.xhr.status;
  const answer = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const late = status === 429 || status >= 500;
  if (!late && answer.getElementById(target.id)) return removeComplaint();
  // What a broken server, or one in front of it, answers must not take the place of an order that is half made.
  event.detail.shouldSwap = false;
  if (target.id === "figures") return complain(status < 400 ? OLD_FIGURES.ended : OLD_FIGURES.failed, false);
  const told = answer.querySelector("#work .lead");
  complain(`Not saved: ${told ? told.textContent : `the server answered with error ${status}.`} ${STILL_HERE}`);
});
for (const broken of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(broken, (event) => {
    if (event.target.id === "figures") return complain(OLD_FIGURES.failed, false);
    complain(`Not saved: the server cannot be reached. ${STILL_HERE}`);
  });
}
document.addEventListener("DOMContentLoaded", start);
