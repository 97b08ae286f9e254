// Canvas of the scene, buffers of the signals, and the data of the charts of the page.
const WINDOW = 60; // [s] of the charts
const KEPT = 1800; // frames
const CHART_PERIOD = 500; // [ms]
const PALETTE = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866",
  "#44bb99", "#99aadd", "#bbbbbb", "#77aadd", "#aaaa00"];
const SPREAD_BINS = 8;
const JUMP = 1; // [m] between poses that no line joins

export default {
  template: `<div class="scene"><canvas tabindex="0" role="img"
    aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown + -"></canvas></div>`,
  props: { keys: Array, charts: Object },
  mounted() {
    this.canvas = this.$el.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.view = { mode: "fit", x: 0, y: 0, span: 8 };
    this.at = null;
    this.fans = this.comparison = null;
    this.parameters = {};
    this.goalMode = false;
    this.arrow = null;
    this.clear();
    this.listen();
    this.readTheme();
    this.themeObserver = new MutationObserver(() => this.readTheme());
    this.themeObserver.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.resizeObserver = new ResizeObserver(() => this.schedule());
    this.resizeObserver.observe(this.$el);
    this.chartTimer = setInterval(() => this.drawCharts(), CHART_PERIOD);
    this.$emit("ready");
  },
  unmounted() {
    clearInterval(this.chartTimer);
    this.themeObserver.disconnect();
    this.resizeObserver.disconnect();
  },
  methods: {
    clear() {
      this.scene = { footprint: [], optimal: [], candidates: [], weights: [], obstacles: [] };
      this.layers = {};
      this.loading = {};
      this.t = [];
      this.columns = Object.fromEntries(this.keys.map((key) => [key, []]));
      this.costs = {};
    },
    append(row) {
      this.t.push(row.t);
      this.keys.forEach((key, i) => this.columns[key].push(row.s[i]));
      const n = this.t.length;
      for (const name of Object.keys(row.c))
        if (!(name in this.costs)) this.costs[name] = new Array(n - 1).fill(null);
      for (const [name, column] of Object.entries(this.costs)) column.push(row.c[name] ?? null);
      if (n > KEPT + 200)
        for (const column of [this.t, ...Object.values(this.columns), ...Object.values(this.costs)])
          column.splice(0, column.length - KEPT);
    },
    // Called by the page: frames that are new, and the scene of the last one if it is shown.
    frames(data) {
      if (data.restart) this.clear();
      data.rows.forEach((row) => this.append(row));
      Object.assign(this.parameters, data.parameters);
      if (data.scene) this.show(data.scene);
      this.acknowledge();
    },
    // Called by the page: look at an earlier moment [s], or null for live.
    look(at, scene) {
      this.at = at;
      if (scene) this.show(scene);
      this.drawCharts();
    },
    // Called by the page: draw a signal in the `seconds` before a mark and after `begin` [s].
    compare(mark, begin, key, seconds) {
      const same = this.comparison?.mark === mark && this.comparison.begin === begin;
      this.comparison = { mark, begin, seconds, kept: same ? this.comparison.kept : {}, key };
      this.drawCharts();
    },
    // Called by the page: trajectories of a tick as it was and as it would have been, or null.
    whatIf(fans) {
      if (!fans && !this.fans) return;
      this.fans = fans;
      this.$el.closest(".card").classList.toggle("comparing", Boolean(fans));
      delete this.canvas.dataset.fans;
      if (fans) {
        const all = Object.values(fans).flatMap((fan) => [fan.optimal, ...fan.candidates]).flat();
        const [x, y] = [0, 1].map((axis) => extent(all.map((point) => point[axis])));
        const { clientWidth: width, clientHeight: height } = this.$el;
        if (all.length) Object.assign(this.view, { mode: "free", x: x.middle, y: y.middle,
          span: 1.2 * Math.max(y.size, (x.size * height) / width, 1) });
        this.canvas.dataset.fans = Object.values(fans).map((fan) => fan.candidates.length);
        this.$el.scrollIntoView({ block: "nearest" });
      }
      this.schedule();
    },
    acknowledge() {
      this.received = (this.received || 0) + 1;
      if (this.received % 10 === 0) this.$emit("acknowledge", this.received);
    },
    show(scene) {
      for (const name of ["map", "costmap"]) {
        if (!(name in scene)) continue;
        if (scene[name] === null) this.removeGrid(name);
        else this.loadGrid(name, scene[name]);
        delete scene[name];
      }
      Object.assign(this.scene, scene);
      const [x, y] = scene.pose || [null, null];
      if (x !== null) {
        this.canvas.dataset.x = x;
        this.canvas.dataset.y = y;
      }
      this.canvas.setAttribute("aria-label", x === null ? "Scene: no pose of the robot yet" :
        `Scene: robot at x ${x.toFixed(1)} m, y ${y.toFixed(1)} m, ` +
        `${this.scene.candidates.length} candidate trajectories`);
      this.schedule();
    },
    setGoalMode(on) {
      this.goalMode = on;
      this.canvas.classList.toggle("goal-mode", on);
    },
    setView(mode) {
      this.view.mode = mode;
      this.schedule();
    },
    zoom(factor) {
      this.view.span = Math.min(Math.max(this.current().span * factor, 0.5), 1000);
      if (this.view.mode === "fit") {
        Object.assign(this.view, this.center(), { mode: "free" });
      }
      this.schedule();
    },
    readTheme() {
      const style = getComputedStyle(this.$el);
      const read = (name) => style.getPropertyValue(name).trim();
      this.colors = Object.fromEntries(
        ["background", "lethal", "inscribed", "map", "unknown", "plan", "driven", "optimal", "light", "heavy",
          "robot", "obstacle", "recorded", "changed", "ink", "grid"].map((name) => [name, read("--scene-" + name)]));
      Object.values(this.layers).forEach((layer) => this.paintGrid(layer));
      this.schedule();
      this.drawCharts();
    },
    loadGrid(name, content) {
      const image = new Image();
      const layer = { name, content, image, painted: null };
      this.loading[name] = image;
      image.onload = () => {
        if (this.loading[name] !== image) return; // replaced or removed while it was decoded
        this.layers[name] = layer;
        this.paintGrid(layer);
        this.schedule();
      };
      image.src = "data:image/png;base64," + content.image;
    },
    removeGrid(name) {
      delete this.layers[name];
      delete this.loading[name];
    },
    paintGrid(layer) {
      const canvas = document.createElement("canvas");
      canvas.width = layer.image.width;
      canvas.height = layer.image.height;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(layer.image, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
      const lethal = rgb(layer.name === "map" ? this.colors.map : this.colors.lethal);
      const graded = rgb(this.colors.inscribed), unknown = rgb(this.colors.unknown);
      for (let i = 0; i < pixels.data.length; i += 4) {
        const cost = pixels.data[i];
        let color = graded, alpha = 0;
        if (cost === 255) [color, alpha] = [unknown, 110];
        else if (cost >= 100) [color, alpha] = [lethal, 255];
        else if (cost > 0) alpha = 20 + 1.1 * cost;
        pixels.data[i] = color[0];
        pixels.data[i + 1] = color[1];
        pixels.data[i + 2] = color[2];
        pixels.data[i + 3] = alpha;
      }
      context.putImageData(pixels, 0, 0);
      layer.painted = canvas;
    },
    schedule() {
      if (this.scheduled) return;
      this.scheduled = true;
      requestAnimationFrame(() => {
        this.scheduled = false;
        this.draw();
      });
    },
    center() {
      const { x, y } = this.current();
      return { x, y };
    },
    // Centre [m] and height of the view [m].
    current() {
      const { clientWidth: width, clientHeight: height } = this.$el;
      const layer = this.layers.map || this.layers.costmap;
      const pose = this.scene.pose || [null, null];
      if (this.view.mode === "fit" && layer) {
        const { x, y, width: w, height: h } = layer.content;
        return { x: x + w / 2, y: y + h / 2, span: 1.04 * Math.max(h, (w * height) / width) };
      }
      if (this.view.mode !== "free" && pose[0] !== null)
        return { x: pose[0], y: pose[1], span: this.view.span };
      return this.view;
    },
    transform() {
      const { clientWidth: width, clientHeight: height } = this.$el;
      const { x, y, span } = this.current();
      const scale = height / span;
      return {
        scale, width, height,
        x: (wx) => width / 2 + (wx - x) * scale,
        y: (wy) => height / 2 - (wy - y) * scale,
        world: (px, py) => [x + (px - width / 2) / scale, y - (py - height / 2) / scale],
      };
    },
    draw() {
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const map = this.transform();
      if (!map.width || !map.height) return;
      if (this.canvas.width !== Math.round(map.width * ratio) ||
          this.canvas.height !== Math.round(map.height * ratio)) {
        this.canvas.width = Math.round(map.width * ratio);
        this.canvas.height = Math.round(map.height * ratio);
      }
      const c = this.context;
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.fillStyle = this.colors.background;
      c.fillRect(0, 0, map.width, map.height);
      c.imageSmoothingEnabled = false;
      for (const name of ["map", "costmap"]) this.drawGrid(name, map);
      c.lineJoin = c.lineCap = "round";
      if (this.scene.plan) this.line(this.scene.plan.points, this.colors.plan, 3, map, [2, 7]);
      for (const piece of this.driven()) this.line(piece, this.colors.driven, 2, map);
      if (this.fans) this.drawFans(map);
      else {
        this.drawCandidates(map);
        this.line(this.scene.optimal, this.colors.optimal, 3.5, map);
      }
      this.drawObstacles(map);
      this.drawRobot(map);
      this.drawArrow(map);
      this.drawScale(map);
    },
    drawGrid(name, map) {
      const layer = this.layers[name];
      if (!layer?.painted) return;
      const { x, y, width, height } = layer.content;
      this.context.drawImage(layer.painted, map.x(x), map.y(y + height),
        width * map.scale, height * map.scale);
    },
    line(points, color, width, map, dash = []) {
      if (!points || points.length < 2) return;
      const c = this.context;
      c.strokeStyle = color;
      c.lineWidth = width;
      c.setLineDash(dash);
      c.beginPath();
      points.forEach(([x, y], i) => (i ? c.lineTo(map.x(x), map.y(y)) : c.moveTo(map.x(x), map.y(y))));
      c.stroke();
      c.setLineDash([]);
    },
    driven() {
      const { x, y } = this.columns;
      const end = this.at === null ? this.t.length : upper(this.t, this.at);
      const pieces = [[]];
      const add = (point) => {
        const last = pieces[pieces.length - 1].at(-1);
        if (last && Math.hypot(point[0] - last[0], point[1] - last[1]) > JUMP) pieces.push([]);
        pieces[pieces.length - 1].push(point);
      };
      for (let i = 0; i < end; i += 2) if (x[i] !== null && y[i] !== null) add([x[i], y[i]]);
      const pose = this.scene.pose;
      if (pose && pose[0] !== null) add(pose);
      return pieces;
    },
    drawCandidates(map) {
      const { candidates, weights } = this.scene;
      const c = this.context;
      const order = candidates.map((_, i) => i).sort((a, b) => weights[a] - weights[b]);
      for (const i of order) {
        const share = Math.sqrt(weights[i]);
        c.globalAlpha = 0.5 + 0.5 * share;
        this.line(candidates[i], mix(this.colors.light, this.colors.heavy, share), 1 + 1.5 * share, map);
      }
      c.globalAlpha = 1;
    },
    drawFans(map) {
      const c = this.context;
      const { recorded, changed } = this.fans;
      // The recorded ones are wider: where both agree, both are seen.
      for (const [fan, color, width] of [[recorded, this.colors.recorded, 3], [changed, this.colors.changed, 1.2]])
        fan.candidates.forEach((points, i) => {
          c.globalAlpha = 0.3 + 0.6 * Math.sqrt(fan.weights[i]);
          this.line(points, color, width, map);
        });
      c.globalAlpha = 1;
      this.line(recorded.optimal, this.colors.background, 8, map);
      this.line(recorded.optimal, this.colors.recorded, 5, map);
      this.line(changed.optimal, this.colors.changed, 3.5, map, [9, 8]);
    },
    drawObstacles(map) {
      const c = this.context;
      for (const [x, y, vx, vy, radius] of this.scene.obstacles) {
        for (const [time, alpha] of [[2, 0.15], [1, 0.3], [0, 0.75]]) {
          c.globalAlpha = alpha;
          c.fillStyle = this.colors.obstacle;
          c.beginPath();
          c.arc(map.x(x + time * vx), map.y(y + time * vy), Math.max(radius * map.scale, 3), 0, 7);
          c.fill();
        }
        c.globalAlpha = 1;
        this.line([[x, y], [x + 2 * vx, y + 2 * vy]], this.colors.obstacle, 2, map);
      }
    },
    drawRobot(map) {
      const { footprint, pose } = this.scene;
      const c = this.context;
      if (footprint.length > 2) {
        c.fillStyle = c.strokeStyle = this.colors.robot;
        c.lineWidth = 2;
        c.beginPath();
        footprint.forEach(([x, y], i) => (i ? c.lineTo(map.x(x), map.y(y)) : c.moveTo(map.x(x), map.y(y))));
        c.closePath();
        c.globalAlpha = 0.35;
        c.fill();
        c.globalAlpha = 1;
        c.stroke();
      }
      if (!pose || pose[0] === null) return;
      const [x, y, yaw] = pose;
      const size = Math.max(0.18 * map.scale, 9);
      const [px, py] = [map.x(x), map.y(y)];
      c.fillStyle = this.colors.robot;
      c.beginPath();
      for (const [angle, length] of [[0, 1], [2.5, 0.8], [-2.5, 0.8]])
        c.lineTo(px + size * length * Math.cos(yaw + angle), py - size * length * Math.sin(yaw + angle));
      c.closePath();
      c.fill();
    },
    drawArrow(map) {
      if (!this.arrow) return;
      const { from, to } = this.arrow;
      const yaw = Math.atan2(to[1] - from[1], to[0] - from[0]);
      const tip = to === from ? from : [from[0] + 0.6 * Math.cos(yaw), from[1] + 0.6 * Math.sin(yaw)];
      this.line([from, tip], this.colors.plan, 4, map);
      this.context.fillStyle = this.colors.plan;
      this.context.beginPath();
      this.context.arc(map.x(from[0]), map.y(from[1]), 7, 0, 7);
      this.context.fill();
    },
    drawScale(map) {
      const c = this.context;
      let length = 10 ** Math.floor(Math.log10(120 / map.scale));
      for (const more of [5, 2]) if (length * more * map.scale < 130) { length *= more; break; }
      const y = map.height - 12;
      c.strokeStyle = c.fillStyle = this.colors.ink;
      c.lineWidth = 2;
      c.beginPath();
      c.moveTo(12, y);
      c.lineTo(12 + length * map.scale, y);
      c.stroke();
      c.font = "12px system-ui, sans-serif";
      c.strokeStyle = this.colors.background; // readable over walls
      c.lineWidth = 4;
      c.strokeText(`${length} m`, 14, y - 6);
      c.fillText(`${length} m`, 14, y - 6);
    },
    listen() {
      const canvas = this.canvas;
      const place = (event) => {
        const box = canvas.getBoundingClientRect();
        return this.transform().world(event.clientX - box.left, event.clientY - box.top);
      };
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        if (this.goalMode) {
          const from = place(event);
          this.arrow = { from, to: from };
        } else if (event.pointerType === "mouse") {
          const { span } = this.current();
          this.pan = { from: place(event), ...this.center(), span };
        }
        this.schedule();
      });
      canvas.addEventListener("pointermove", (event) => {
        if (this.arrow) this.arrow.to = place(event);
        else if (this.pan) {
          const [x, y] = place(event);
          const { x: cx, y: cy, span } = this.current();
          Object.assign(this.view, { mode: "free", span,
            x: cx + this.pan.from[0] - x, y: cy + this.pan.from[1] - y });
        } else return;
        this.schedule();
      });
      canvas.addEventListener("pointerup", (event) => {
        if (this.arrow) {
          const { from, to } = this.arrow;
          const turned = Math.hypot(to[0] - from[0], to[1] - from[1]) * this.transform().scale > 12;
          const pose = this.scene.pose || [from[0], from[1], 0];
          const [dx, dy] = turned ? [to[0] - from[0], to[1] - from[1]] :
            [from[0] - pose[0], from[1] - pose[1]];
          this.$emit("goal", { x: from[0], y: from[1], yaw: Math.atan2(dy, dx) });
        }
        this.arrow = this.pan = null;
        this.schedule();
      });
      canvas.addEventListener("pointercancel", () => {
        this.arrow = this.pan = null;
        this.schedule();
      });
      canvas.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.shiftKey) return; // the page scrolls
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
      }, { passive: false });
      canvas.addEventListener("keydown", (event) => {
        if (event.key === "+" || event.key === "-") this.zoom(event.key === "-" ? 1.25 : 0.8);
        if (event.key === "Escape" && this.goalMode) {
          this.arrow = null;
          this.$emit("goalModeOff");
        }
        const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] || [0, 0];
        if (!dx && !dy) return;
        event.preventDefault(); // the page does not scroll
        const { x, y, span } = this.current();
        Object.assign(this.view, { mode: "free", span, x: x + 0.1 * span * dx, y: y + 0.1 * span * dy });
        this.schedule();
      });
    },
    // The charts.
    drawCharts() {
      if (!this.t?.length || document.hidden) return;
      const end = this.at ?? this.t[this.t.length - 1];
      const from = lower(this.t, end - WINDOW), to = upper(this.t, end);
      const step = Math.max(1, Math.ceil((to - from) / 240));
      const window_ = { from, to, step, end };
      for (const [name, id] of Object.entries(this.charts)) {
        const element = getElement(id);
        const chart = element?.chart;
        if (!chart || !element.$el.offsetParent) continue;
        const box = element.$el.getBoundingClientRect();
        if (box.bottom < 0 || box.top > window.innerHeight) continue;
        const ink = this.colors.ink, grid = this.colors.grid;
        const axis = { axisLabel: { color: ink }, nameTextStyle: { color: ink },
          axisLine: { lineStyle: { color: grid } }, splitLine: { lineStyle: { color: grid } } };
        const option = name === "costs" ? this.costOption(window_) :
          this[name + "Option"] ? this[name + "Option"](window_) : this.timeOption(name, element, window_);
        if (!option) continue;
        chart.setOption({ ...option, legend: { textStyle: { color: ink }, ...option.legend },
          xAxis: { ...axis, splitLine: { show: false }, ...option.xAxis },
          yAxis: element.options.yAxis.map((_, i) => ({ ...axis,
            splitLine: { show: i === 0, lineStyle: { color: grid } } })) }, { lazyUpdate: true });
      }
    },
    samples(column, { from, to, step, end }) {
      const data = [];
      for (let i = from; i < to; i += step) data.push([this.t[i] - end, column[i]]);
      return data;
    },
    timeOption(name, element, window_) {
      const series = element.options.series.map((one) => ({
        id: one.id, data: this.samples(this.columns[one.id] || [], window_) }));
      return { xAxis: { min: -WINDOW, max: 0 }, series };
    },
    costOption(window_) {
      const names = Object.keys(this.costs);
      const mean = (name) => {
        const values = this.costs[name].slice(window_.from, window_.to);
        return values.reduce((sum, value) => sum + (value || 0), 0) / Math.max(values.length, 1);
      };
      const series = names.map((name, i) => ({
        id: name, name, type: "line", stack: "costs", symbol: "none", areaStyle: { opacity: 0.8 },
        lineStyle: { width: 0 }, color: PALETTE[i % PALETTE.length],
        data: this.samples(this.costs[name], window_), seen: mean(name) }));
      const shown = series.filter((one) => one.seen > 1e-4).sort((a, b) => b.seen - a.seen).slice(0, 8);
      return { xAxis: { min: -WINDOW, max: 0 }, series,
        legend: { data: shown.map((one) => one.name) } };
    },
    at_(key) {
      const i = Math.max(upper(this.t, this.at ?? Infinity) - 1, 0);
      return this.columns[key][i];
    },
    weightsOption() {
      const lambda = this.at_("temperature");
      if (!(lambda > 0)) return null;
      const curve = (factor) => Array.from({ length: 61 }, (_, i) => {
        const excess = (8 * lambda * i) / 60;
        return [excess, Math.exp(-excess / (factor * lambda))];
      });
      return { xAxis: { min: 0, max: Number((8 * lambda).toPrecision(3)) }, series: [
        { id: "half", data: curve(0.5) }, { id: "now", data: curve(1) },
        { id: "double", data: curve(2) }] };
    },
    histogramOption() {
      const { samples, weight } = this.scene.sampling || {};
      if (!samples) return null;
      const percent = (shares) => shares.map((share) => 100 * share);
      return { series: [{ id: "samples", data: percent(samples) }, { id: "weight", data: percent(weight) }] };
    },
    comparisonOption() {
      if (!this.comparison) return null;
      const { mark, begin, key, seconds, kept } = this.comparison;
      // A complete stretch is kept: its rows are dropped when they are old.
      const stretch = (name, from, to) => {
        if (kept[name]) return kept[name];
        const first = lower(this.t, from), last = upper(this.t, to);
        const rows = { t: this.t.slice(first, last).map((time) => time - from),
          columns: Object.fromEntries(this.keys.map((k) => [k, this.columns[k].slice(first, last)])) };
        if (last < this.t.length) kept[name] = rows;
        return rows;
      };
      const data = ({ t, columns }) => t.map((time, i) => [time, columns[key][i]]);
      return { xAxis: { min: 0, max: seconds }, series: [
        { id: "before", data: data(stretch("before", mark - seconds, mark)) },
        { id: "after", data: data(stretch("after", begin, begin + seconds)) }] };
    },
    spreadOption() {
      const { candidates, weights, optimal } = this.scene;
      if (!candidates.length || !optimal.length) return null;
      const [ex, ey] = optimal[optimal.length - 1];
      const distances = candidates.map((points) => {
        const [x, y] = points[points.length - 1];
        return Math.hypot(x - ex, y - ey);
      });
      const most = Math.max(...distances, 0.1);
      const count = new Array(SPREAD_BINS).fill(0), mass = new Array(SPREAD_BINS).fill(0);
      const total = weights.reduce((sum, w) => sum + w, 0) || 1;
      distances.forEach((distance, i) => {
        const bin = Math.min(Math.floor((distance / most) * SPREAD_BINS), SPREAD_BINS - 1);
        count[bin] += 100 / distances.length;
        mass[bin] += (100 * weights[i]) / total;
      });
      const labels = count.map((_, i) => ((most * (i + 0.5)) / SPREAD_BINS).toFixed(2));
      return { xAxis: { data: labels }, series: [{ id: "count", data: count }, { id: "mass", data: mass }] };
    },
    stepOption() {
      const norm = this.at_("score_norm"), alpha = this.parameters.alpha;
      if (!(norm >= 0) || !(alpha > 0)) return null;
      const gain = (a) => a * (1 - a / 2) * norm * norm;
      const curve = Array.from({ length: 45 }, (_, i) => [(2.2 * i) / 44, gain((2.2 * i) / 44)]);
      const estimated = (this.scene.sampling?.gain || []).map((value, i) => [i / 10, value]);
      const at = estimated[Math.round(10 * alpha)]?.[1] ?? gain(alpha);
      return { xAxis: { min: 0, max: 2.2 }, series: [
        { id: "gain", data: estimated }, { id: "bound", data: curve }, { id: "alpha", data: [[alpha, at]] }] };
    },
    essOption(window_) {
      const { ess, samples } = this.columns;
      const share = ess.map((value, i) => (samples[i] > 0 && value !== null ? (100 * value) / samples[i] : null));
      const target = this.parameters.lambda === 0 ? 100 * this.parameters.ess_share : null;
      return { xAxis: { min: -WINDOW, max: 0 }, series: [
        { id: "share", data: this.samples(share, window_) },
        { id: "target", data: target === null ? [] : [[-WINDOW, target], [0, target]] }] };
    },
  },
};

function rgb(color) {
  const value = parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function mix(a, b, share) {
  const [from, to] = [rgb(a), rgb(b)];
  return `rgb(${from.map((value, i) => Math.round(value + share * (to[i] - value))).join(",")})`;
}

function extent(values) {
  const low = Math.min(...values), high = Math.max(...values);
  return { middle: (low + high) / 2, size: high - low };
}

// Index of the first time that is not before `value`.
function lower(times, value) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Index of the first time after `value`.
function upper(times, value) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
