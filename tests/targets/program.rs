//! Random programs of views and updates in place, on the CPU or the device that `HADAMARD_FUZZ_DEVICE` names.
//!
//! Beside each tensor a list is kept of where in its buffer its elements lie, made by plain index arithmetic. After
//! each update, what the target covers must be what the reference says, and everything else what it was.

use hadamard::{BinaryOp, DType, Expr, ReduceOp, Scan, ScanOp, Tensor, UnaryOp, assign, cat, reference, stack};
use half::bf16;

use super::{Choices, device};
use crate::elements::{upload, values};

/// More elements than this in one value would make a case slow.
const MOST_ELEMENTS: usize = 3000;
const MOST_STEPS: usize = 24;
/// What tensors hold now and then: drivers must keep it, integers end there, and sums far from zero lose digits.
const SPECIAL: [f64; 12] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -0.0,
    1e30,
    -65504.0,
    2_147_483_647.0,
    -2_147_483_648.0,
    16_777_217.0,
    255.0,
    1e6 + 0.25,
    -1.0,
];

pub(super) fn run(data: &[u8]) {
    let mut program = Program { choices: Choices(data), buffers: Vec::new(), places: Vec::new(), parts: Vec::new() };
    program.create();
    for _ in 0..MOST_STEPS {
        if program.choices.is_empty() {
            break;
        }
        match program.choices.below(8) {
            0 => program.create(),
            1..5 => program.view(),
            _ => program.update(),
        }
    }
}

fn dtypes() -> Vec<DType> {
    DType::ALL.into_iter().filter(|&dtype| dtype != DType::F64 || device().info().f64).collect()
}

struct Program<'a> {
    choices: Choices<'a>,
    buffers: Vec<Tensor>,
    places: Vec<Place>,
    /// Of the expression that is being built, to be used again: drivers simplify what has one operand twice.
    parts: Vec<Expr>,
}

/// A tensor, and where in its buffer its elements lie, in row-major order.
#[derive(Clone)]
struct Place {
    tensor: Tensor,
    buffer: usize,
    at: Vec<usize>,
}

impl Program<'_> {
    /// A new buffer.
    fn create(&mut self) {
        let shape: Vec<usize> =
            (0..self.choices.below(5)).map(|_| self.choices.pick(&[3, 1, 2, 5, 4, 0, 7, 8])).collect();
        let dtype = self.choices.pick(&dtypes());
        let (first, step) = (self.choices.byte(), self.choices.byte());
        let values: Vec<f64> = (0..shape.iter().product())
            .map(|i: usize| match step {
                200.. => SPECIAL[(i + usize::from(step)) % SPECIAL.len()],
                _ => f64::from(first.wrapping_add(step.wrapping_mul(i as u8)) as i8) / 4.0,
            })
            .collect();
        let tensor = upload(&values, &shape, dtype, device());
        self.places.push(Place { tensor: tensor.clone(), buffer: self.buffers.len(), at: (0..values.len()).collect() });
        self.buffers.push(tensor);
    }

    fn place(&mut self) -> Place {
        // One of the latest, so that views of views come about.
        let back = self.choices.below(self.places.len().min(8));
        self.places[self.places.len() - 1 - back].clone()
    }

    /// A view of a tensor there is: refused if it cannot be, else it reads the elements it should.
    // Longer than 60 lines: each kind of view stands beside what is expected of it.
    fn view(&mut self) {
        let Place { tensor, buffer, at } = self.place();
        let shape = tensor.shape().to_vec();
        let choices = &mut self.choices;
        let mut dim = || choices.below(shape.len() + 1);
        let (a, b) = (dim(), dim());
        let (is_dim, dim) = (a < shape.len(), a as isize);
        let (view, sizes) = match choices.below(7) {
            0 => {
                let mut sizes = shape.clone();
                if is_dim && b < shape.len() {
                    sizes.swap(a, b);
                }
                let sizes = (is_dim && b < shape.len()).then_some(sizes);
                (tensor.transpose(dim, b as isize), sizes)
            }
            1 | 2 => {
                let (start, len, step) = (choices.below(6), choices.below(6), choices.below(4));
                let size = if is_dim { shape[a] } else { 0 };
                let sizes = (is_dim && start + len <= size && step > 0).then(|| resized(&shape, a, len.div_ceil(step)));
                let view = tensor.slice(dim, start, start + len, step);
                let source = |i: &mut [usize]| i[a] = start + i[a] * step;
                return self.keep(view, sizes.map(|sizes| gather(&at, &shape, sizes, source)), buffer);
            }
            3 => {
                let source = |i: &mut [usize]| i[a] = shape[a] - 1 - i[a];
                let at = is_dim.then(|| gather(&at, &shape, shape.clone(), source));
                return self.keep(tensor.flip(dim), at, buffer);
            }
            4 => {
                let mut sizes = shape.clone();
                if choices.one_in(2) {
                    sizes.insert(0, choices.below(4));
                }
                let new = sizes.len() - shape.len();
                let size = choices.below(5);
                if is_dim {
                    sizes[new + a] = size;
                }
                let fits = !is_dim || shape[a] == size || shape[a] == 1;
                let few = sizes.len() <= hadamard::MAX_RANK;
                let source = |i: &mut [usize]| {
                    if is_dim && shape[a] == 1 {
                        i[new + a] = 0;
                    }
                };
                let view = tensor.broadcast_to(&sizes[..]);
                let at = (fits && few).then(|| gather(&at, &shape, sizes, source));
                return self.keep(view, at, buffer);
            }
            5 => (tensor.unsqueeze(dim), (shape.len() < hadamard::MAX_RANK).then(|| inserted(&shape, a))),
            _ => {
                // Dims joined, or all of them turned round. Where strides cannot say it, what comes back is a copy.
                let mut sizes = shape.clone();
                if is_dim && a + 1 < shape.len() && choices.one_in(2) {
                    let size = sizes.remove(a);
                    sizes[a] *= size;
                } else {
                    sizes.reverse();
                }
                if !tensor.is_contiguous() {
                    let copy = tensor.reshape(&sizes[..]).unwrap();
                    return assert!(same(&values(&copy), &values(&tensor)), "{copy:?} of {tensor:?}");
                }
                return self.keep(tensor.reshape(&sizes[..]), Some((sizes, at)), buffer);
            }
        };
        let at = sizes.map(|sizes| {
            if sizes.len() == shape.len() {
                let source = |i: &mut [usize]| i.swap(a, b);
                gather(&at, &shape, sizes, source)
            } else {
                (sizes, at)
            }
        });
        self.keep(view, at, buffer);
    }

    /// Keeps a view whose shape and elements are those expected.
    fn keep(&mut self, view: hadamard::Result<Tensor>, expected: Option<(Vec<usize>, Vec<usize>)>, buffer: usize) {
        let (tensor, (shape, at)) = match (view, expected) {
            (Ok(tensor), Some(expected)) => (tensor, expected),
            (Err(_), None) => return,
            (Ok(tensor), None) => panic!("{tensor:?} should have been refused"),
            (Err(error), Some((shape, _))) => panic!("{shape:?} was refused: {error}"),
        };
        assert_eq!(tensor.shape().dims(), shape);
        let memory = values(&self.buffers[buffer]);
        assert!(same(&values(&tensor), &at.iter().map(|&i| memory[i]).collect::<Vec<_>>()), "{tensor:?}");
        if at.len() <= MOST_ELEMENTS {
            self.places.push(Place { tensor, buffer, at });
        }
    }

    /// One or two tensors assigned to, at once.
    fn update(&mut self) {
        let n = if self.choices.one_in(3) { 2 } else { 1 };
        self.parts.clear();
        let targets: Vec<(Place, Expr)> = (0..n).map(|_| (self.place(), self.expr(3))).collect();
        let wants: Vec<_> = targets
            .iter()
            .map(|(t, value)| reference::eval(&value.cast(t.tensor.dtype()).broadcast_to(t.tensor.shape())))
            .collect();
        let before: Vec<Vec<f64>> = self.buffers.iter().map(values).collect();
        let mut written: Vec<Vec<bool>> = before.iter().map(|memory| vec![false; memory.len()]).collect();
        let twice =
            targets.iter().any(|(t, _)| t.at.iter().any(|&i| std::mem::replace(&mut written[t.buffer][i], true)));
        let result = assign(&targets.iter().map(|(t, value)| (&t.tensor, value.clone())).collect::<Vec<_>>());
        let holds = targets.iter().all(|(t, value)| number(value).is_none_or(|number| holds(t.tensor.dtype(), number)));
        let fits = holds && wants.iter().all(Result::is_ok);
        match &result {
            Ok(()) => assert!(fits && !twice, "{targets:?} should have been refused"),
            // Two views of one buffer may be taken to overlap where they do not.
            Err(error) => assert!(!fits || twice || n == 2, "{error}: {targets:?}"),
        }
        for (buffer, before) in before.iter().enumerate() {
            let after = values(&self.buffers[buffer]);
            for i in 0..before.len() {
                let stays = result.is_err() || !written[buffer][i];
                assert!(!stays || same(&before[i..=i], &after[i..=i]), "element {i} of buffer {buffer}: {targets:?}");
            }
        }
        if result.is_ok() {
            for ((target, value), want) in targets.iter().zip(&wants) {
                let comparison = reference::compare(&target.tensor, want.as_ref().unwrap()).unwrap();
                assert!(comparison.passed(), "{comparison}: {value:?} to {target:?}");
            }
        }
    }

    /// An expression over the tensors there are.
    fn expr(&mut self, depth: usize) -> Expr {
        let kind = if depth == 0 { self.choices.below(2) } else { self.choices.below(13) };
        let expr = match kind {
            0 => Expr::from(self.place().tensor),
            1 => match self.choices.below(3) {
                0 => Expr::from(f64::from(self.choices.byte() as i8) / 8.0),
                1 => Expr::from(i64::from(self.choices.byte() as i8)),
                _ => Expr::from(self.choices.one_in(2)),
            },
            2 => self.expr(depth - 1).unary(self.choices.pick(&UnaryOp::ALL)),
            3..6 => {
                let (a, b) = (self.expr(depth - 1), self.expr(depth - 1));
                a.binary(self.choices.pick(&BinaryOp::ALL), b)
            }
            6 => {
                let condition = self.expr(depth - 1).gt(0);
                Expr::select(condition, self.expr(depth - 1), self.expr(depth - 1))
            }
            7 => self.expr(depth - 1).cast(self.choices.pick(&dtypes())),
            8 => {
                let x = self.expr(depth - 1);
                let dim = self.choices.below(x.shape().rank() + 1) as isize;
                x.reduce(self.choices.pick(&ReduceOp::ALL), dim)
            }
            11 => self.taken(depth - 1),
            12 => {
                let x = self.expr(depth - 1);
                let dim = self.choices.below(x.shape().rank() + 1) as isize;
                let scan = Scan { exclusive: self.choices.one_in(3), reverse: self.choices.one_in(3) };
                x.scan(self.choices.pick(&ScanOp::ALL), dim, scan)
            }
            9 if !self.parts.is_empty() => self.parts[self.choices.below(self.parts.len())].clone(),
            _ => {
                let x = self.expr(depth - 1);
                let (a, b) = (self.choices.below(4) as isize, self.choices.below(4));
                match self.choices.below(8) {
                    0 => x.transpose(a, b as isize),
                    1 => x.flip(a),
                    2 => x.slice(a, b, b + self.choices.below(4), 1 + self.choices.below(3)),
                    3 => cat(&[x.clone(), self.expr(depth - 1), x], a),
                    4 => stack(&[x.flip(a), x], a),
                    5 => x.roll(b as isize - 1, a),
                    6 => x.reshape(x.shape().iter().rev().copied().collect::<hadamard::Shape>()),
                    _ => x.broadcast_to(
                        [self.choices.below(4)]
                            .into_iter()
                            .chain(x.shape().iter().copied())
                            .collect::<hadamard::Shape>(),
                    ),
                }
            }
        };
        if expr.error().is_some() || expr.shape().numel() > MOST_ELEMENTS {
            return self.place().tensor.into();
        }
        self.parts.push(expr.clone());
        expr
    }
}

impl Program<'_> {
    /// What an index chooses of an expression, or an update of it by one. Indices are in range: one that is not is an error
    /// that a GPU reports later.
    fn taken(&mut self, depth: usize) -> Expr {
        let x = self.expr(depth);
        let Some(dim) = self.choices.below(x.shape().rank() + 1).checked_sub(1) else { return x };
        let (size, n) = (x.shape()[dim], 1 + self.choices.below(4));
        let (kind, first, step) = (self.choices.below(4), self.choices.below(8), self.choices.below(4));
        if size == 0 {
            return x.index(dim as isize, Expr::arange(0));
        }
        let at = |i: usize| ((first + i * step) % size) as i64;
        let values: Vec<i64> = (0..n).map(|i| if kind == 1 { at(i) - size as i64 } else { at(i) }).collect();
        let index = Tensor::from_slice(&values, [n], device()).unwrap();
        let dim = dim as isize;
        match kind {
            0 | 1 => x.index(dim, &index),
            2 => x.index_add(dim, &index, x.index(dim, &index)),
            _ => x.index_copy(dim, &index, x.index(dim, Expr::from(&index)).flip(dim)),
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tensor, buffer, .. } = self;
        write!(f, "{tensor:?} of buffer {buffer}, strides {:?} from {}", tensor.strides(), tensor.offset())
    }
}

fn resized(shape: &[usize], dim: usize, size: usize) -> Vec<usize> {
    shape.iter().enumerate().map(|(d, &n)| if d == dim { size } else { n }).collect()
}

fn inserted(shape: &[usize], dim: usize) -> Vec<usize> {
    let mut sizes = shape.to_vec();
    sizes.insert(dim, 1);
    sizes
}

/// Where the elements of a view of `sizes` lie: `source` turns its coordinates into those of the tensor of `shape`,
/// which may have fewer dims in front.
fn gather(at: &[usize], shape: &[usize], sizes: Vec<usize>, source: impl Fn(&mut [usize])) -> (Vec<usize>, Vec<usize>) {
    let mut found = Vec::new();
    for number in 0..sizes.iter().product() {
        let mut rest: usize = number;
        let mut index = vec![0; sizes.len()];
        for (i, &size) in index.iter_mut().zip(&sizes).rev() {
            *i = rest % size;
            rest /= size;
        }
        source(&mut index);
        let own = &index[sizes.len() - shape.len()..];
        found.push(at[own.iter().zip(shape).fold(0, |at, (i, n)| at * n + i)]);
    }
    (sizes, found)
}

/// The number an expression is, if it is one. Everything else is printed as a tensor or a call.
fn number(expr: &Expr) -> Option<f64> {
    let text = format!("{expr:?}");
    let is_number = !text.contains('(') && !text.contains("tensor");
    is_number.then(|| values(&expr.cast(DType::F64).eval().unwrap())[0])
}

/// Whether a number may become an element of a dtype as it is; the negative ones count backwards from 256 among u8s.
fn holds(dtype: DType, number: f64) -> bool {
    match dtype {
        DType::U8 => number.abs() <= 255.0,
        DType::U16 => number.abs() <= 65_535.0,
        DType::U32 => number.abs() <= f64::from(u32::MAX),
        DType::U64 => number.abs() <= i64::MAX as f64,
        DType::I8 => number >= f64::from(i8::MIN) && number <= f64::from(i8::MAX),
        DType::I16 => number >= f64::from(i16::MIN) && number <= f64::from(i16::MAX),
        DType::I32 => number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX),
        DType::I64 => number >= i64::MIN as f64 && number <= i64::MAX as f64,
        DType::F16 => !number.is_finite() || number.abs() <= 65504.0,
        DType::BF16 => !number.is_finite() || number.abs() <= bf16::MAX.to_f64(),
        DType::F32 => !number.is_finite() || number.abs() <= f32::MAX.into(),
        DType::Bool | DType::F64 => true,
    }
}

/// Whether the numbers are the same, NaN included.
fn same(a: &[f64], b: &[f64]) -> bool {
    let equal = |(x, y): (&f64, &f64)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
    a.len() == b.len() && a.iter().zip(b).all(equal)
}
