"use strict";
// Draws every figure of the page from the JSON beside it. All text goes in as text, never as markup.
(function () {
  const WIDEST = 900, NARROWEST = 280, LEFT = 58, RIGHT = 12, TOP = 8, BOTTOM = 22;
  const COLOURS = 5;
  const node = (name, attributes, parent) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(made);
    return made;
  };
  const element = (name, className, text, parent) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    if (parent) parent.appendChild(made);
    return made;
  };
  const number = (value, share) => {
    if (value === null || value === undefined) return "no value";
    if (share) return (100 * value).toPrecision(4).replace(/\.?0+$/, "") + "%";
    return Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));
  };
  const ticks = (low, high) => {
    const rough = (high - low) / 4, size = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= rough);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(at);
    return found;
  };

  function draw(holder, data) {
    const names = [...new Set(data.panels.flatMap((panel) => Object.keys(panel.lines)))];
    const colour = (name) => {
      const place = names.indexOf(name);
      return place < COLOURS ? `var(--series-${place})` : `hsl(${(place * 67) % 360} 45% 50%)`;
    };
    const count = data.x.length, hidden = new Set();
    const numeric = data.x.every((one) => typeof one === "number");
    let from = 0, to = count - 1, chosen = count - 1, pressed = null;
    // Drawn as wide as it is shown, so that letters keep their size on a phone.
    const fitting = () => Math.max(NARROWEST, Math.min(WIDEST, holder.clientWidth || WIDEST));
    let WIDTH = fitting();
    const height = data.panels.length > 2 ? 150 : data.panels.length > 1 ? 190 : 280;

    const legend = element("div", "legend", "", holder);
    if (names.length > 1) for (const name of names) {
      const button = element("button", "", "", legend);
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      element("i", "", "", button).style.background = colour(name);
      button.append(name);
      button.addEventListener("click", () => {
        hidden.has(name) ? hidden.delete(name) : hidden.add(name);
        button.setAttribute("aria-pressed", String(!hidden.has(name)));
        redraw();
      });
    }
    const pictures = data.panels.map((panel) => {
      element("div", "panel", panel.title, holder);
      return node("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": panel.title }, holder);
    });
    const read = element("div", "read", "", holder);
    read.setAttribute("aria-live", "polite");

    const place = (index) => {
      const span = numeric ? data.x[to] - data.x[from] : to - from;
      const along = numeric ? data.x[index] - data.x[from] : index - from;
      return LEFT + (WIDTH - LEFT - RIGHT) * (span ? along / span : 0.5);
    };
    const nearest = (event, svg) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * WIDTH;
      let best = from;
      for (let index = from; index <= to; index++)
        if (Math.abs(place(index) - at) < Math.abs(place(best) - at)) best = index;
      return best;
    };

    function redraw() {
      data.panels.forEach((panel, which) => drawPanel(panel, pictures[which], which === data.panels.length - 1));
      tell();
    }

    function drawPanel(panel, svg, last) {
      svg.replaceChildren();
      const shown = Object.entries(panel.lines).filter(([name]) => !hidden.has(name));
      const inside = [];
      for (const [name, values] of shown) {
        inside.push(...values.slice(from, to + 1));
        const band = panel.bands[name];
        if (band) inside.push(...band[0].slice(from, to + 1), ...band[1].slice(from, to + 1));
      }
      const real = inside.filter((one) => one !== null);
      let low = real.reduce((a, b) => Math.min(a, b), Infinity), high = real.reduce((a, b) => Math.max(a, b), -Infinity);
      if (!real.length) [low, high] = [0, 1];
      if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
      const margin = 0.04 * (high - low);
      low -= margin; high += margin;
      const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - (value - low) / (high - low));
      for (const tick of ticks(low, high)) {
        node("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick), stroke: "var(--line)" }, svg);
        node("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, svg).textContent = number(tick, panel.share);
      }
      const marks = WIDTH < 500 ? 3 : 6;
      for (let mark = 0; mark < marks; mark++) {
        const index = Math.round(from + ((to - from) * mark) / (marks - 1));
        const anchor = mark === 0 ? "start" : mark === marks - 1 ? "end" : "middle";
        if (mark && index === Math.round(from + ((to - from) * (mark - 1)) / (marks - 1))) continue;
        node("text", { x: place(index), y: height - 6, "text-anchor": anchor }, svg).textContent =
          (numeric ? number(data.x[index]) : data.x[index]) + (last && mark === marks - 1 && data.x_label ? ` ${data.x_label}` : "");
      }
      for (const [name, values] of shown) {
        const band = panel.bands[name];
        if (band) {
          const there = [];
          for (let index = from; index <= to; index++) if (band[0][index] !== null && band[1][index] !== null) there.push(index);
          const path = [...there.map((i) => `${place(i)},${y(band[1][i])}`), ...there.reverse().map((i) => `${place(i)},${y(band[0][i])}`)];
          node("polygon", { points: path.join(" "), fill: colour(name), opacity: 0.16 }, svg);
        }
        let path = "", begun = false, before = 0;
        for (let index = from; index <= to; index++) {
          if (values[index] === null) { begun = false; continue; }
          if (begun && panel.stepped) path += `L${place(index)} ${y(before)}`;
          path += `${begun ? "L" : "M"}${place(index)} ${y(values[index])}`;
          before = values[index];
          begun = true;
        }
        node("path", { d: path, fill: "none", stroke: colour(name), "stroke-width": 1.7 }, svg);
      }
      if (chosen >= from && chosen <= to) {
        node("line", { x1: place(chosen), x2: place(chosen), y1: TOP, y2: height - BOTTOM, stroke: "var(--muted)", "stroke-dasharray": "3 3" }, svg);
        for (const [name, values] of shown)
          if (values[chosen] !== null) node("circle", { cx: place(chosen), cy: y(values[chosen]), r: 3.2, fill: colour(name) }, svg);
      }
      if (pressed !== null && pressed !== chosen) {
        const ends = [place(Math.min(pressed, chosen)), place(Math.max(pressed, chosen))];
        node("rect", { x: ends[0], y: TOP, width: ends[1] - ends[0], height: height - TOP - BOTTOM, fill: "var(--link)", opacity: 0.12 }, svg);
      }
    }

    function tell() {
      const words = [`${data.x_label ? data.x_label + " " : ""}${numeric ? number(data.x[chosen]) : data.x[chosen]}`];
      for (const panel of data.panels) {
        const values = Object.entries(panel.lines).filter(([name]) => !hidden.has(name))
          .map(([name, line]) => `${name} ${number(line[chosen], panel.share)}`);
        words.push(`${panel.title}: ${values.join(", ")}`);
      }
      if (data.notes[chosen]) words.push(data.notes[chosen]);
      read.textContent = words.join("\n");
    }

    const choose = (index) => { chosen = Math.max(from, Math.min(to, index)); redraw(); };
    for (const svg of pictures) {
      svg.addEventListener("pointermove", (event) => choose(nearest(event, svg)));
      svg.addEventListener("pointerdown", (event) => { pressed = nearest(event, svg); choose(pressed); });
      svg.addEventListener("dblclick", () => { [from, to] = [0, count - 1]; pressed = null; redraw(); });
    }
    window.addEventListener("pointerup", () => {
      if (pressed === null) return;
      const ends = [Math.min(pressed, chosen), Math.max(pressed, chosen)];
      pressed = null;
      if (ends[1] - ends[0] >= 3) [from, to] = ends;
      redraw();
    });
    window.addEventListener("resize", () => {
      WIDTH = fitting();
      for (const svg of pictures) svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
      redraw();
    });
    holder.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -count, End: count };
      if (!(event.key in moves)) return;
      event.preventDefault();
      choose(chosen + moves[event.key]);
    });
    redraw();
  }

  for (const holder of document.querySelectorAll(".interactive .plot"))
    draw(holder, JSON.parse(holder.parentElement.querySelector('script[type="application/json"]').textContent));
})();
