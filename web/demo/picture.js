// The photograph with a mask that is painted: grey by the sliders' weights where the mask is 1.

const $ = (id) => document.getElementById(id);

/** One pass: a weighted sum of channels, a blend, and bytes for the canvas. `o` keeps the picture opaque. */
export const TEXT = '(clamp(m * sum(a * w, -1, keepdim=True) + (1 - m) * a + o, 0, 1) * 255 + 0.5).to(uint8)';

/** Pixels of the photograph, four bytes each. */
export async function pixels(url) {
  const image = await createImageBitmap(await (await fetch(url)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

export class Picture {
  #photo;
  #mask;
  #tensors;
  #device;
  #wanted = false;
  #drawing = false;
  #last;

  constructor(photo) {
    this.#photo = photo;
    this.#mask = new Float32Array(photo.width * photo.height);
    $('text').textContent = TEXT;
    for (const id of ['red', 'green', 'blue', 'brush']) {
      const show = () => {
        $(id).previousElementSibling.value = id === 'brush' ? $(id).value : Number($(id).value).toFixed(2);
        this.draw();
      };
      $(id).addEventListener('input', show);
      show();
    }
    $('all').addEventListener('click', () => this.#fill(1));
    $('none').addEventListener('click', () => this.#fill(0));
    const canvas = $('canvas');
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = undefined;
      this.#paint(event);
    });
    canvas.addEventListener('pointermove', (event) => event.buttons && this.#paint(event));
    // A stroke to begin with, so that the page says what the brush does.
    for (let i = 0; i <= 60; i += 1) this.#dab(60 + i * 7, 290 - 120 * Math.sin(i / 13), 52);
  }

  /** Moves to another device. */
  on(device) {
    Object.values(this.#tensors ?? {}).forEach((tensor) => tensor.dispose());
    const { width, height, data } = this.#photo;
    const bytes = device.tensor(data, [height, width, 4]);
    this.#device = device;
    this.#tensors = {
      a: device.evaluate('a / 255', { a: bytes }),
      m: device.tensor(this.#mask, [height, width, 1]),
      w: device.zeros([1, 1, 4]),
      o: device.tensor([0, 0, 0, 1], [1, 1, 4]),
    };
    bytes.dispose();
    this.draw();
  }

  /** The tensor of the photograph, rows by columns by channels. */
  get photo() {
    return this.#tensors.a;
  }

  /** Draws soon: as often as the device keeps up with. */
  async draw() {
    this.#wanted = true;
    if (this.#drawing || !this.#device) return;
    this.#drawing = true;
    try {
      while (this.#wanted) {
        this.#wanted = false;
        await this.#once();
        await new Promise(requestAnimationFrame);
      }
    } finally {
      this.#drawing = false;
    }
  }

  async #once() {
    const start = performance.now();
    const { w, m } = this.#tensors;
    w.write(Float32Array.of(+$('red').value, +$('green').value, +$('blue').value, 0));
    m.write(this.#mask);
    const result = this.#device.evaluate(TEXT, this.#tensors);
    const bytes = await result.data();
    result.dispose();
    show($('canvas'), bytes, this.#photo);
    $('took').textContent = `${(performance.now() - start).toFixed(1)} ms`;
  }

  #fill(value) {
    this.#mask.fill(value);
    this.draw();
  }

  /** Paints from where the pointer was to where it is. */
  #paint(event) {
    const box = $('canvas').getBoundingClientRect();
    const scale = this.#photo.width / box.width;
    const at = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const from = this.#last ?? at;
    const steps = Math.max(1, Math.ceil(Math.hypot(at[0] - from[0], at[1] - from[1]) / 8));
    for (let i = 1; i <= steps; i += 1) {
      this.#dab(from[0] + ((at[0] - from[0]) * i) / steps, from[1] + ((at[1] - from[1]) * i) / steps, +$('brush').value);
    }
    this.#last = at;
    this.draw();
  }

  /** A soft disc. */
  #dab(x, y, radius) {
    const { width, height } = this.#photo;
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius); row += 1) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius); column += 1) {
        const value = Math.min(1, (1 - Math.hypot(column - x, row - y) / radius) * 3);
        const at = row * width + column;
        this.#mask[at] = Math.max(this.#mask[at], value);
      }
    }
  }
}

/** Bytes of pixels on a canvas. */
export function show(canvas, bytes, { width, height }) {
  const clamped = new Uint8ClampedArray(bytes.buffer, bytes.byteOffset, bytes.length);
  canvas.getContext('2d').putImageData(new ImageData(clamped, width, height), 0, 0);
}
