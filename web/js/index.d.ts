/** A typed array whose elements a tensor can have. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

export type DType =
  | 'bool' | 'u8' | 'i8' | 'i16' | 'i32' | 'i64' | 'u16' | 'u32' | 'u64' | 'f16' | 'bf16' | 'f32' | 'f64';

export type Nested = number | boolean | Nested[];

/** What a name in an expression stands for. Arrays become tensors for the call; whole numbers are integers. */
export type Operand = Tensor | TypedArray | Nested | bigint;
export type Operands = Record<string, Operand>;

/** `name` of what is thrown; `message` says the operation, what it expected and what it found. */
export type ErrorName =
  | 'ArgumentError' | 'DTypeError' | 'IndexError' | 'DeviceMismatchError' | 'NoDeviceError' | 'UnsupportedError'
  | 'OutOfMemoryError' | 'DeviceLostError' | 'GpuError' | 'ParseError' | 'HadamardError';

/** Where the WebAssembly of a module is, or what it is. */
export type Source = URL | string | Response | BufferSource | WebAssembly.Module;

/**
 * Loads the module that `device()` uses in this page, which `device()` does by itself: `gpu` where there is a GPU, else `cpu`.
 * `sources` says where they are if not in the package; each is loaded once its kind of device is asked for.
 */
export function init(sources?: { gpu?: Source; cpu?: Source }): Promise<void>;

/**
 * The device to use: a GPU where the page has one, else the CPU. `'gpu'`, `'cpu'` or part of a name choose; a GPUDevice of
 * the page's is shared, so that buffers go in and out without leaving the GPU.
 *
 * ```js
 * const d = await hadamard.device();
 * const a = d.tensor(new Float32Array(3 * 480 * 640), [3, 480, 640]);
 * const grey = d.evaluate('sum(a * w, 0)', { a, w: d.tensor([[[0.2]], [[0.7]], [[0.1]]]) });
 * const values = await grey.data(); // a Float32Array
 * ```
 */
export function device(which?: string | GPUDevice): Promise<Device>;

interface Disposed {
  readonly disposed: boolean;
  /** Gives the memory back. What was forgotten is given back when it is collected as garbage, which may be late. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** Elements on a device, with a shape. */
export interface Tensor extends Disposed {}
export class Tensor {
  private constructor();
  /** The device it is on. */
  readonly device: Device;
  /** The size of each dim. */
  readonly shape: number[];
  readonly dtype: DType;
  /** How many elements it has. */
  readonly size: number;
  /**
   * The elements in row-major order, once the device has computed them: a typed array of the dtype; of bool bytes; of f16
   * a Float16Array where the browser has one, else its bits, as of bf16.
   */
  data(): Promise<TypedArray>;
  /** The one element of a tensor that has one. */
  item(): Promise<number | bigint | boolean>;
  /** Writes elements of its dtype over its own. */
  write(data: TypedArray | Nested[]): void;
  /** The elements in another shape, which must have as many. */
  reshape(shape: number[]): Tensor;
  /** A copy on another device. */
  to(device: Device): Promise<Tensor>;
  /**
   * The GPUBuffer behind a tensor on a GPU, with the first byte and the bytes of its elements: no copy. Work on it has been
   * submitted. It is the tensor's for as long as the tensor is not disposed of.
   */
  gpuBuffer(): { buffer: GPUBuffer; offset: number; size: number };
  toString(): string;
}

export interface Stats {
  /** Bytes that tensors take, that are kept for others, and the most taken at once. */
  used: number;
  pooled: number;
  peak: number;
  allocations: number;
  /** Kernels compiled, kernels run, submissions; of a GPU. */
  compiled: number;
  kernels: number;
  submits: number;
  /** Tensors of the page's that are not disposed of, of all devices. */
  tensors: number;
}

/** Where tensors live and expressions are evaluated: a GPU, or the CPU. */
export interface Device extends Disposed {}
export class Device {
  private constructor();
  /** What errors call it: the adapter and its backend, or `cpu`. */
  readonly name: string;
  readonly isGpu: boolean;
  /** Whether it has f64, the most bytes of a tensor, and whether it is a GPU in software. */
  readonly info: { f64: boolean; maxBuffer: number; software: boolean };
  /** Whether the device is gone. Every call then throws a DeviceLostError. */
  readonly lost: boolean;
  /** The page's GPUDevice; of the CPU none. */
  readonly gpuDevice: GPUDevice | undefined;

  /** A tensor of a typed array or of nested arrays of numbers; without a shape, that of the arrays. */
  tensor(data: TypedArray | Nested, shape?: number[], dtype?: DType): Tensor;
  /** A tensor of the first bytes of a GPUBuffer of the same GPUDevice, copied on the GPU. It needs the usage COPY_SRC. */
  tensor(data: GPUBuffer, shape: number[], dtype?: DType): Tensor;
  full(shape: number[], value: number, dtype?: DType): Tensor;
  zeros(shape: number[], dtype?: DType): Tensor;
  ones(shape: number[], dtype?: DType): Tensor;
  /** Random numbers of [0, 1): the same for a seed on every device. */
  uniform(shape: number[], seed?: number): Tensor;
  /** Normal numbers: the same for a seed on every device, but for rounding. */
  normal(shape: number[], seed?: number): Tensor;

  /** The result of an expression over tensors, arrays and numbers, in one pass. Nothing is awaited: results are read by `data()`. */
  evaluate(text: string, operands?: Operands): Tensor;
  /** The results of several expressions, evaluated together: what they share is read and computed once. */
  evaluateAll(texts: string[], operands?: Operands): Tensor[];
  /** Writes expressions into tensors among the operands, in place and in one pass; every expression sees the old values. */
  assign(targets: Record<string, string>, operands: Operands): void;
  /** The gradients of an expression with one element, by the names of tensors, in their order. */
  grad(text: string, operands: Operands, wrt: string | string[]): Tensor[];
  /** As `grad`, with the value of the expression before the gradients. */
  valueAndGrad(text: string, operands: Operands, wrt: string | string[]): Tensor[];
  /** How an expression is computed: its passes, and what each reads and writes. */
  explain(text: string, operands?: Operands): string;

  /** Is done when all work so far is. Errors of the work come out here, or of the first read after it. */
  synchronize(): Promise<void>;
  stats(): Stats;
  /** At most so many bytes are in use and pooled together; `undefined` bounds nothing. */
  limitMemory(bytes?: number): void;
  /** Gives pooled memory and compiled kernels back. */
  trim(): void;
  toString(): string;
}

/** A step for each call, over tensors that are updated in place. PyTorch's options and defaults, in camelCase. */
interface Optimizer extends Disposed {
  readonly params: Record<string, Tensor>;
  lr: number;
  /** Takes a step along gradients, one for each parameter by its name. */
  step(grads: Operands): void;
  /** Takes a step that lowers a loss, of the parameters and of other operands by name. Returns what it was before. */
  minimize(loss: string, operands?: Operands): Tensor;
}

interface Common {
  lr?: number;
  maximize?: boolean;
  weightDecay?: number;
}
export interface SGD extends Optimizer {}
export class SGD {
  constructor(params: Record<string, Tensor>, options?: Common & { momentum?: number; dampening?: number; nesterov?: boolean });
}
export interface Adam extends Optimizer {}
export class Adam {
  constructor(params: Record<string, Tensor>, options?: Common & { betas?: [number, number]; eps?: number; amsgrad?: boolean });
}
export interface AdamW extends Optimizer {}
export class AdamW {
  constructor(params: Record<string, Tensor>, options?: Common & { betas?: [number, number]; eps?: number; amsgrad?: boolean });
}
export interface RMSprop extends Optimizer {}
export class RMSprop {
  constructor(
    params: Record<string, Tensor>,
    options?: Common & { alpha?: number; eps?: number; momentum?: number; centered?: boolean },
  );
}
export interface Lion extends Optimizer {}
export class Lion {
  constructor(params: Record<string, Tensor>, options?: Common & { betas?: [number, number] });
}

declare const hadamard: {
  init: typeof init;
  device: typeof device;
  Device: typeof Device;
  Tensor: typeof Tensor;
  SGD: typeof SGD;
  Adam: typeof Adam;
  AdamW: typeof AdamW;
  RMSprop: typeof RMSprop;
  Lion: typeof Lion;
};
export default hadamard;
