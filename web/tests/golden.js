// PyTorch's answers (../../tests/golden) held against what a device of this page computes, as `tests/golden.rs` does natively.

const TABLES = ['expressions', 'wide', 'indexing', 'unsigned', 'order', 'losses', 'scans', 'segments'];
const GRADIENTS = ['gradients', 'losses', 'scans', 'segments'];
/** Rows that are on their way at once. */
const AT_ONCE = 64;
const SMALLEST = 2 ** -126;

const DTYPES = {
  BOOL: ['bool', Uint8Array], U8: ['u8', Uint8Array], I8: ['i8', Int8Array], I16: ['i16', Int16Array], I32: ['i32', Int32Array],
  I64: ['i64', BigInt64Array], U16: ['u16', Uint16Array], U32: ['u32', Uint32Array], U64: ['u64', BigUint64Array],
  F16: ['f16', Uint16Array], BF16: ['bf16', Uint16Array], F32: ['f32', Float32Array], F64: ['f64', Float64Array],
};

async function safetensors(url) {
  const bytes = await (await fetch(url)).arrayBuffer();
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  return (name) => {
    const { dtype, shape, data_offsets: [start, end] } = header[name];
    const [of, Type] = DTYPES[dtype];
    return { dtype: of, shape, data: new Type(bytes.slice(8 + length + start, 8 + length + end)) };
  };
}

/** A half's value. */
function half(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

const word = new DataView(new ArrayBuffer(4));
function brain(bits) {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** Elements as numbers; those of 64 bits in two, high and low words. */
function numbers(data, dtype) {
  if (dtype === 'i64' || dtype === 'u64') {
    return Array.from(data, (x) => [Number(BigInt.asIntN(64, x) >> 32n), Number(x & 0xffffffffn)]).flat();
  }
  if (dtype === 'bf16') return Array.from(data, brain);
  if (dtype === 'f16' && data instanceof Uint16Array) return Array.from(data, half);
  return Array.from(data);
}

function firstMismatch(got, want, [atol, rtol]) {
  const fits = (a, b) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b);
    if (!Number.isFinite(a) || !Number.isFinite(b)) return a === b;
    return Math.abs(a - b) <= atol + rtol * Math.abs(b);
  };
  if (got.length !== want.length) return `${got.length} elements, want ${want.length}`;
  const at = want.findIndex((x, i) => !fits(got[i], x));
  return at < 0 ? null : `element ${at} is ${got[at]}, want ${want[at]} within ${atol} and ${rtol}`;
}

/** The inputs of a row, on a device. */
function inputs(device, file, row) {
  const made = {};
  for (const name of Object.keys(row.inputs)) {
    const { data, shape, dtype } = file(`${row.id}.${name}`);
    made[name] = device.tensor(data, shape, dtype);
  }
  return made;
}

const dispose = (tensors) => Object.values(tensors).forEach((tensor) => tensor.dispose());

function hasSubnormals(file, row) {
  const tiny = (x) => x !== 0 && Math.abs(x) < SMALLEST;
  return Object.keys(row.inputs).some((name) => {
    const { data, dtype } = file(`${row.id}.${name}`);
    return ['f32', 'bf16'].includes(dtype) && numbers(data, dtype).some(tiny);
  });
}

/** What is wrong with a row, or nothing. */
async function judge(device, file, row) {
  let given = {};
  let made = [];
  try {
    let got;
    try {
      given = inputs(device, file, row);
      made = [device.evaluate(row.expr, given)];
      got = [made[0].dtype, made[0].shape, numbers(await made[0].data(), made[0].dtype)];
    } catch (error) {
      return row.error ? null : `${row.id}: ${row.expr}: ${error.name}: ${error.message}`;
    }
    if (row.error) return `${row.id}: ${row.expr}: PyTorch refuses this`;
    const [dtype, shape, elements] = got;
    if (dtype !== row.output[0] || String(shape) !== String(row.output[1])) {
      return `${row.id}: ${row.expr}: ${dtype}[${shape}], want ${row.output}`;
    }
    const want = file(`${row.id}.=`);
    const wrong = firstMismatch(elements, numbers(want.data, want.dtype), row.tol);
    return wrong && `${row.id}: ${row.expr}: ${wrong}`;
  } finally {
    dispose(given);
    dispose(made);
  }
}

/** The same of a row's loss and its gradients. */
async function judgeGradients(device, file, row) {
  const given = inputs(device, file, row);
  let results = [];
  try {
    results = device.valueAndGrad(row.loss, given, row.wrt);
    const names = ['loss', ...row.wrt.map((name) => `grad.${name}`)];
    const tols = [[1e-5, 1e-4], ...row.tol];
    for (const [i, result] of results.entries()) {
      const want = file(`${row.id}.${names[i]}`);
      const wrong = firstMismatch(numbers(await result.data(), result.dtype), numbers(want.data, want.dtype), tols[i]);
      if (wrong) return `${row.id}: ${row.loss}: ${names[i]}: ${wrong}`;
    }
    return null;
  } catch (error) {
    return `${row.id}: ${row.loss}: ${error.name}: ${error.message}`;
  } finally {
    dispose(given);
    dispose(results);
  }
}

/** Whether it makes zero of numbers below the smallest normal one. */
async function flushes(device) {
  return (await device.evaluate('x * 2', { x: new Float32Array([1e-40]) }).data())[0] === 0;
}

/** Every row of a table, so many at a time. Counts, and what is wrong. */
export async function table(device, name, gradients = false, every = 1) {
  const [rows, file] = await Promise.all([
    fetch(`/golden/${name}.json`).then((response) => response.json()),
    safetensors(`/golden/${name}.safetensors`),
  ]);
  const zeroed = await flushes(device);
  const found = { name, rows: 0, f64: 0, subnormal: 0, wrong: [] };
  const judged = async (row) => {
    const wrong = await (gradients ? judgeGradients : judge)(device, file, row);
    if (wrong && !device.info.f64 && wrong.includes('does not support arithmetic in f64')) found.f64 += 1;
    else if (wrong && zeroed && hasSubnormals(file, row)) found.subnormal += 1;
    else found.rows += 1;
    if (wrong && !wrong.includes('does not support arithmetic in f64') && !(zeroed && hasSubnormals(file, row))) found.wrong.push(wrong);
  };
  const all = rows.filter((row, i) => (gradients ? row.loss : row.expr) !== undefined && i % every === 0);
  // An index out of range is told to the next read, which must be that of its row.
  for (const row of all.filter((row) => row.error)) await judged(row);
  const todo = all.filter((row) => !row.error);
  while (todo.length) await Promise.all(todo.splice(0, AT_ONCE).map(judged));
  return found;
}

/** All tables, or every so many rows of them. */
export async function all(device, every = 1) {
  const found = [];
  for (const name of TABLES) found.push(await table(device, name, false, every));
  for (const name of GRADIENTS) found.push(await table(device, name, true, every));
  return found;
}
