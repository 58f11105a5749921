// Curves as SVG.

const WIDTH = 420;
const HEIGHT = 240;
const LEFT = 46;
const RIGHT = 62;
const TOP = 12;
const BOTTOM = 26;

const element = (name, attributes, text = '') => {
  const all = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`).join('');
  return `<${name}${all}>${text}</${name}>`;
};

/** A number as short as an axis wants it. */
function short(x) {
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (size >= 1e6) return `${x / 1e6} M`;
  if (size >= 1e4) return `${x / 1e3} k`;
  return size >= 0.01 ? String(Number(x.toPrecision(2))) : `10${superscript(Math.round(Math.log10(size)))}`;
}

const superscript = (n) => String(n).replace(/[-\d]/g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c]));

/** Where an axis has lines, and where on it a number lies, from 0 to 1. */
function axis(values, logarithmic, exact = false) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (logarithmic) {
    const [a, b] = [Math.floor(Math.log10(low)), Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1)];
    const every = Math.ceil((b - a) / 6);
    const ticks = [];
    for (let n = a; n <= b; n += every) ticks.push(10 ** n);
    return { ticks, at: (x) => (Math.log10(x) - a) / (b - a) };
  }
  if (low === high) high = low + 1;
  const raw = (high - low) / 4;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= raw);
  const [first, last] = [Math.floor(low / step), Math.ceil(high / step)];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  // Numbers of steps end where they end; others where the next line is.
  if (exact) return { ticks: ticks.filter((tick) => tick >= low && tick <= high), at: (x) => (x - low) / (high - low) };
  [low, high] = [first * step, last * step];
  return { ticks, at: (x) => (x - low) / (high - low) };
}

/**
 * Draws curves into an element: `{ class, name, points: [[x, y], …] }`. `marks` are `{ class, y }` of dashed lines. Where `dots`
 * is set, every point is one.
 */
export function plot(into, curves, { logX = false, logY = false, marks = [], dots = false, label = '' } = {}) {
  const points = curves.flatMap((curve) => curve.points).filter(([, y]) => Number.isFinite(y) && (!logY || y > 0));
  if (points.length === 0) {
    into.innerHTML = element('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}` });
    return;
  }
  const x = axis(points.map(([x]) => x), logX, true);
  const y = axis([...points.map(([, y]) => y), ...marks.map((mark) => mark.y)], logY);
  const across = (v) => LEFT + (WIDTH - LEFT - RIGHT) * x.at(v);
  const down = (v) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y.at(v);
  let svg = '';
  for (const tick of y.ticks) {
    svg += element('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: down(tick), y2: down(tick) });
    svg += element('text', { x: LEFT - 6, y: down(tick) + 4, 'text-anchor': 'end' }, short(tick));
  }
  for (const tick of x.ticks) {
    svg += element('text', { x: across(tick), y: HEIGHT - 6, 'text-anchor': 'middle' }, short(tick));
  }
  for (const mark of marks) {
    svg += element('line', { class: `mark ${mark.class}`, x1: LEFT, x2: WIDTH - RIGHT, y1: down(mark.y), y2: down(mark.y) });
  }
  const ends = [];
  for (const curve of curves) {
    const shown = curve.points.filter(([, y]) => Number.isFinite(y) && (!logY || y > 0)).map(([x, y]) => [across(x), down(y)]);
    if (shown.length === 0) continue;
    svg += element('polyline', { class: `curve ${curve.class}`, points: shown.map((p) => p.join()).join(' ') });
    if (dots) for (const [cx, cy] of shown) svg += element('circle', { class: curve.class, cx, cy, r: 3.5 });
    ends.push({ curve, at: shown.at(-1) });
  }
  // Names at the ends of curves, apart from each other.
  ends.sort((a, b) => a.at[1] - b.at[1]);
  let free = 0;
  for (const { curve, at } of ends) {
    const line = Math.max(at[1] + 4, free);
    free = line + 14;
    svg += element('text', { class: `end ${curve.class}`, x: at[0] + 8, y: line }, curve.name);
  }
  into.innerHTML = element('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label }, svg);
}
