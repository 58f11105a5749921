//! Straight-line code: loads, arithmetic and stores, one value a line.

use super::line;
use super::load::{scalar, scalar_word};
use super::operation::{binary, convert, round, select, suffix, unary};
use crate::DType;
use crate::expr::BinaryOp;
use crate::kernel::spec::{Code, Inst, Line, Map, Reduce, Spec, Strategy};

/// The function that code stands in: what its lines are called, and where it finds elements and scalars. The position
/// of operand `i` is `p{i}`, or comes from the operand's own function.
pub(super) struct Scope<'a> {
    pub(super) spec: &'a Spec,
    /// The values of lines are `{prefix}0`, `{prefix}1`, …
    prefix: &'static str,
    /// The word of an operand's first stage that holds the stride from one element of a group to the next.
    pub(super) stride_word: usize,
    /// The number of the group's first element among those there are: `i` in a map, `k` in a reduction.
    pub(super) index: &'static str,
    /// How many there are.
    pub(super) end: &'static str,
    /// Whether stores must check for the end.
    pub(super) tail: bool,
    /// Whether `place` holds the scalars.
    placed_scalars: bool,
    /// Whether all components of a value are the same result, which is stored once.
    pub(super) one_output: bool,
    /// Which elements of a group there are: kernels run over ends.
    inside: String,
}

impl<'a> Scope<'a> {
    pub(super) fn of_map(spec: &'a Spec, map: &Map) -> Self {
        Self {
            spec,
            prefix: "v",
            stride_word: map.rank,
            index: "i",
            end: "uniforms.n",
            tail: map.tail,
            placed_scalars: false,
            one_output: false,
            inside: below(spec.width, "i", "uniforms.n"),
        }
    }

    /// What is reduced.
    pub(super) fn of_reduced(spec: &'a Spec, reduce: &Reduce) -> Self {
        let stride_word = match reduce.strategy {
            Strategy::Inner | Strategy::Rows => reduce.kept_rank + reduce.reduced_rank,
            Strategy::Outer => reduce.kept_rank,
        };
        let inside = match reduce.strategy {
            Strategy::Inner => below(spec.width, "r", "uniforms.n_reduced"),
            Strategy::Outer => below(spec.width, "place.k", "uniforms.n"),
            Strategy::Rows => "B(place.k < uniforms.n)".to_owned(),
        };
        // What it stores lies where it reads. Columns are whole groups, rows of four are not stored.
        let (index, end) = ("r", "uniforms.n_reduced");
        let tail = reduce.tail && reduce.strategy == Strategy::Inner;
        let epilogue = Self::of_epilogue(spec, reduce);
        Self { prefix: "v", stride_word, index, end, tail, placed_scalars: true, one_output: false, inside, ..epilogue }
    }

    /// What is computed from the results.
    pub(super) fn of_epilogue(spec: &'a Spec, reduce: &Reduce) -> Self {
        Self {
            spec,
            prefix: "e",
            stride_word: reduce.kept_rank,
            index: "k",
            end: "uniforms.n",
            tail: reduce.tail,
            placed_scalars: false,
            one_output: reduce.strategy == Strategy::Inner,
            inside: if reduce.strategy == Strategy::Inner {
                "B(true)".to_owned()
            } else {
                below(spec.width, "k", "uniforms.n")
            },
        }
    }

    /// What is computed from the results of a scan, at each of its elements.
    pub(super) fn of_scanned(spec: &'a Spec, walk: &Reduce) -> Self {
        let epilogue = Self::of_epilogue(spec, walk);
        match walk.strategy {
            Strategy::Inner => Self {
                stride_word: 1 + walk.kept_rank,
                index: "r",
                end: "uniforms.n_reduced",
                one_output: false,
                inside: below(spec.width, "r", "uniforms.n_reduced"),
                ..epilogue
            },
            Strategy::Outer | Strategy::Rows => epilogue,
        }
    }

    /// Writes all lines and stores.
    pub(super) fn code(&self, out: &mut String, code: &Code) {
        let prefix = self.prefix;
        let kept = kept(code);
        for (i, Line { dtype, .. }) in code.lines.iter().enumerate() {
            let mut value = self.value(code, i, *dtype);
            if kept[i] && !self.spec.fast_math {
                value = format!("keep_{}({value})", suffix(*dtype));
            }
            line(out, 1, &format!("let {prefix}{i} = {value};"));
        }
        for &(operand, value) in &code.stores {
            self.store(out, operand, &format!("{prefix}{value}"), code.lines[value].dtype);
        }
    }

    /// The value of line `i`.
    fn value(&self, code: &Code, i: usize, dtype: DType) -> String {
        let arg = |j: usize| format!("{}{j}", self.prefix);
        let from = |j: usize| code.lines[j].dtype;
        match code.lines[i].inst {
            Inst::Load(operand) => self.load(operand),
            Inst::Take(operand, at) => self.take(operand, &arg(at), from(at)),
            Inst::Within(operand, at) => self.within(operand, &arg(at), from(at)),
            Inst::Bounded { index, word, from_end } => self.bounded(&arg(index), from(index), word, from_end),
            Inst::Index(operand) => format!("bitcast<I>(U({}))", self.neighbours(operand).join(", ")),
            Inst::Has(operand) => {
                let each = (0..self.spec.width).map(|c| format!("find_{operand}(i + {c}u) != NOWHERE"));
                format!("B({})", each.collect::<Vec<_>>().join(", "))
            }
            Inst::Scalar(_) if self.placed_scalars => format!("place.n{i}"),
            Inst::Scalar(word) => scalar(word, dtype),
            Inst::Term(fold) => format!("terms.t{fold}"),
            Inst::Unary(op, a) => unary(op, from(a), &arg(a)),
            Inst::Binary(op, a, b) if may_be_same(code, op, a, b) && !self.spec.fast_math => {
                binary(op, from(a), &arg(a), &format!("apart_{}({})", suffix(from(b)), arg(b)))
            }
            Inst::Binary(op, a, b) => binary(op, from(a), &arg(a), &arg(b)),
            Inst::Select(c, a, b) => select(dtype, &arg(c), &arg(a), &arg(b)),
            Inst::Random(word, args) => {
                let [counter, key0, key1] = args.map(|a| format!("bitcast<U>({})", arg(a)));
                format!("bitcast<I>(philox({counter}, {key0}, {key1}).x{word} >> U(8u))")
            }
            Inst::Order(a) => format!("order_f({})", arg(a)),
            Inst::Words([upper, lower]) => {
                format!("l_of(bitcast<U>({}), bitcast<U>({}))", arg(lower), arg(upper))
            }
            Inst::Convert(a) => convert(from(a), dtype, &arg(a)),
            Inst::FromBits(a) => format!("f64_bits_to_{}({})", suffix(dtype), arg(a)),
            Inst::ToBits(a) => format!("{}_to_f64_bits({})", suffix(from(a)), arg(a)),
            Inst::Round(to, a) => round(to, from(a), &arg(a)),
        }
    }
}

impl Scope<'_> {
    fn bounded(&self, index: &str, dtype: DType, word: usize, from_end: bool) -> String {
        let index = if dtype == DType::I64 { format!("nearest_i({index})") } else { index.to_owned() };
        let (size, mark) = (scalar_word(word), scalar_word(word + 1));
        format!("bounded({index}, {size}, {mark}, {from_end}, {})", self.inside)
    }
}

/// Which elements of a group whose first is number `first` lie below `end`.
pub(super) fn below(width: u32, first: &str, end: &str) -> String {
    match width {
        1 => format!("{first} < {end}"),
        _ => format!("U({first}) + vec4u(0u, 1u, 2u, 3u) < U({end})"),
    }
}

/// For each line, whether it must be kept from compilers that would simplify it together with what is computed from it:
/// a float that arithmetic made, and a comparison of floats.
fn kept(code: &Code) -> Vec<bool> {
    let mut kept = vec![false; code.lines.len()];
    let used = code.lines.iter().flat_map(|line| line.inst.args()).chain(code.results.iter().copied());
    for i in used {
        kept[i] = match code.lines[i].dtype {
            DType::Bool => code.lines[i].inst.args().any(|arg| code.lines[arg].dtype.is_float()),
            dtype => dtype.is_float() && code.lines[i].is_computed(),
        };
    }
    kept
}

/// Whether a compiler might find both arguments of an operation to be one value, and could take the result for what
/// it would be if that were a number: `x - x`, `x / x`, `x == x`.
fn may_be_same(code: &Code, op: BinaryOp, a: usize, b: usize) -> bool {
    let safe = matches!(op, BinaryOp::Add | BinaryOp::Mul | BinaryOp::Maximum | BinaryOp::Minimum);
    let both_computed = code.lines[a].is_computed() && code.lines[b].is_computed();
    code.lines[a].dtype.is_float() && !safe && (a == b || both_computed)
}
