//! The table of kernels whose machine code is looked at.

use std::collections::HashSet;

use hadamard::{DType, Device, Expr, Pass, Tensor, explain_all};

/// Texts that are evaluated together, and the least bits that each load of the first pass's innermost loop and each of its
/// stores must have; 0 where nothing is asked.
pub(crate) struct Case {
    pub(crate) texts: &'static [&'static str],
    pub(crate) loads: u32,
    pub(crate) stores: u32,
}

const fn case(texts: &'static [&'static str], loads: u32, stores: u32) -> Case {
    Case { texts, loads, stores }
}

/// What is elementwise and contiguous, or reduced, goes by vectors of four; of halves these have 64 bits, of bytes 32. What
/// has 64 bits itself goes one by one.
pub(crate) const CASES: &[Case] = &[
    // Maps.
    case(&["a * 0.7"], 128, 128),
    case(&["a * b"], 128, 128),
    case(&["w * a + (1 - w) * b"], 128, 128),
    case(&["where(a > b, a, b)"], 128, 128),
    case(&["exp(a)"], 128, 128),
    case(&["sin(a)"], 128, 128),
    case(&["tanh(a)"], 128, 128),
    case(&["gelu(a)"], 128, 128),
    case(&["pow(a, b)"], 128, 128),
    case(&["lgamma(a)"], 128, 128),
    case(&["a / b"], 128, 128),
    // Dtypes.
    case(&["h * g"], 64, 64),
    case(&["e * f"], 64, 64),
    case(&["a * h"], 64, 128),
    case(&["p + q"], 32, 32),
    case(&["i * j"], 128, 128),
    case(&["i // j"], 128, 128),
    case(&["k + l"], 64, 64),
    case(&["k * l"], 64, 64),
    case(&["k // l"], 64, 64),
    case(&["d * d"], 64, 64),
    case(&["exp(d)"], 64, 64),
    // Broadcasts.
    case(&["a * row"], 128, 128),
    case(&["a * column"], 32, 128),
    case(&["a * row + column"], 32, 128),
    case(&["row * column"], 32, 128),
    case(&["cube * plane"], 128, 128),
    // Views.
    case(&["a * b.T"], 0, 128),
    case(&["a[:, ::2] * b[:, ::2]"], 0, 128),
    case(&["a[1:, :] - a[:-1, :]"], 128, 128),
    case(&["a[:, 1:] - a[:, :-1]"], 0, 0),
    case(&["flip(a, 1) * b"], 0, 128),
    case(&["odd * odd_row"], 0, 0),
    case(&["h[:, ::2] * g[:, ::2]"], 0, 64),
    case(&["permute(cube, (2, 0, 1)) * 2"], 0, 128),
    // Indices.
    case(&["a[x]"], 0, 128),
    case(&["a[x] * b"], 0, 128),
    case(&["gather(a, 1, places)"], 0, 128),
    case(&["index_add(a, 0, x, b)"], 0, 0),
    // Updates: SGD with momentum, and Adam in f32, and of weights in bf16.
    case(&["0.9 * m + g32", "w - 0.1 * (0.9 * m + g32)"], 128, 128),
    case(
        &[
            "m + 0.1 * (g32 - m)",
            "v + 0.001 * (g32 * g32 - v)",
            "w - 0.01 * (m + 0.1 * (g32 - m)) / (sqrt(v + 0.001 * (g32 * g32 - v)) + 1e-8)",
        ],
        128,
        128,
    ),
    case(
        &[
            "m + 0.1 * (f - m)",
            "v + 0.001 * (f * f - v)",
            "(e - 0.01 * (m + 0.1 * (f - m)) / (sqrt(v + 0.001 * (f * f - v)) + 1e-8)).bfloat16()",
        ],
        64,
        64,
    ),
    // Reductions.
    case(&["sum(a, 0)"], 128, 128),
    case(&["sum(a * b, 0)"], 128, 128),
    case(&["sum(a * b, 1)"], 128, 0),
    case(&["sum(a * b)"], 128, 0),
    case(&["sum(a * row, 1)"], 128, 0),
    case(&["sum(a * column, 0)"], 0, 128),
    case(&["sum(few, 0)"], 128, 128),
    case(&["sum(short, 1)"], 128, 0),
    case(&["sum(sixteen, 1)"], 128, 0),
    case(&["sum(cube, 1)"], 128, 128),
    case(&["sum(odd * odd, 1)"], 0, 0),
    case(&["sum(a.T * b, 0)"], 0, 0),
    case(&["sum(h * g, 0)"], 64, 64),
    case(&["sum(h * g, 1)"], 64, 0),
    case(&["sum(d, 0)"], 64, 64),
    case(&["sum(d, 1)"], 64, 0),
    case(&["sum(i, 0)"], 128, 64),
    case(&["sum(k, 1)"], 64, 0),
    case(&["prod(a, 1)"], 128, 0),
    case(&["amax(a, 0)"], 128, 128),
    case(&["amax(a, 1)"], 128, 0),
    case(&["argmax(a, 1)"], 128, 0),
    case(&["logsumexp(a, 1)"], 128, 0),
    case(&["var(a, 1)"], 128, 0),
    case(&["softmax(a, 1)"], 128, 0),
    case(&["sum(square(a - b))", "sum(a * b, 1)"], 128, 0),
    case(&["sum(a[x] * b, 1)"], 0, 0),
    // Scans and sorts.
    case(&["cumsum(a, 0)"], 128, 128),
    case(&["cumsum(a, 1)"], 128, 128),
    case(&["cumsum(k, 1)"], 64, 64),
    case(&["sort(i, 1)"], 0, 0),
    case(&["argsort(long, 0)"], 0, 0),
    case(&["sort(doubles, 0)"], 0, 0),
    // Matrix products.
    case(&["a @ b"], 0, 0),
    case(&["a @ b.T"], 0, 0),
    case(&["a.T @ b"], 0, 0),
    case(&["h @ g"], 0, 0),
    case(&["d @ d"], 0, 0),
    case(&["sixteen.T @ sixteen"], 0, 0),
    case(&["einsum('bik,bkj->bij', batch, batch)"], 0, 0),
];

/// A pass of a case.
pub(crate) struct Kernel {
    pub(crate) case: &'static Case,
    /// Which of the case's passes, from 0.
    pub(crate) number: usize,
    pub(crate) pass: Pass,
    /// Elements of the largest tensor that the case reads.
    pub(crate) elements: usize,
}

impl Kernel {
    /// The texts of the case, and which pass.
    pub(crate) fn name(&self) -> String {
        let texts = self.case.texts.join("; ");
        if self.number == 0 { texts } else { format!("{texts} #{}", self.number + 1) }
    }

    /// A constant of its prelude.
    fn constant(&self, name: &str) -> Option<usize> {
        let at = format!("const {name}: u32 = ");
        let line = self.pass.prelude.lines().find_map(|line| line.strip_prefix(&at))?;
        line.trim_end_matches("u;").parse().ok()
    }

    /// Elements that an invocation takes at once or in a round of its innermost loop, where there is a fixed number.
    pub(crate) fn at_once(&self) -> Option<usize> {
        let of = |names: &[&str]| names.iter().map(|name| self.constant(name)).product::<Option<usize>>();
        match self.pass.kernel {
            "map" => of(&["WIDTH"]),
            "reduce_rows" => of(&["WIDTH", "GROUPS"]),
            "reduce_inner" | "reduce_outer" | "scan_inner" | "scan_outer" => of(&["WIDTH", "GROUPS", "AT_ONCE"]),
            _ => None,
        }
    }

    /// Bytes that must move for each element.
    pub(crate) fn bytes_an_element(&self) -> f64 {
        self.pass.bytes as f64 / self.elements as f64
    }
}

/// The kernels of all cases, each once, as they are planned for a discrete GPU of WebGPU's default limits, which computes in
/// f64 and in no i64.
pub(crate) fn kernels() -> Vec<Kernel> {
    let operands = operands();
    let names: Vec<(&str, &Tensor)> = operands.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let of_case = |case: &'static Case| {
        let parse = |text: &&str| Expr::parse(text, &names).unwrap_or_else(|e| panic!("{text}: {e}"));
        let exprs: Vec<Expr> = case.texts.iter().map(parse).collect();
        let read = case.texts.iter().flat_map(|text| Expr::names_in(text));
        let numel = |name: &str| operands.iter().find(|o| o.0 == name).map_or(0, |o| o.1.numel());
        let elements = read.map(numel).max().unwrap_or(0);
        let passes = explain_all(&exprs).unwrap().passes;
        passes.into_iter().enumerate().map(move |(number, pass)| Kernel { case, number, pass, elements })
    };
    let mut seen = HashSet::new();
    CASES.iter().flat_map(of_case).filter(|kernel| seen.insert(kernel.pass.wgsl.clone())).collect()
}

/// Zeros, as only their shapes and dtypes matter.
fn operands() -> Vec<(&'static str, Tensor)> {
    let device = Device::cpu();
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, &device).unwrap();
    let squares = |dtype| move |name| (name, Tensor::zeros([2048, 2048], dtype, &Device::cpu()).unwrap());
    let mut operands: Vec<(&str, Tensor)> = ["a", "b", "w", "m", "v", "g32"].map(squares(DType::F32)).into();
    operands.extend(["h", "g"].map(squares(DType::F16)));
    operands.extend(["e", "f"].map(squares(DType::BF16)));
    operands.extend(["p", "q"].map(squares(DType::U8)));
    operands.extend(["i", "j"].map(squares(DType::I32)));
    operands.extend(["k", "l", "places"].map(squares(DType::I64)));
    operands.extend(["d"].map(squares(DType::F64)));
    operands.extend([
        ("row", zeros(&[2048], DType::F32)),
        ("column", zeros(&[2048, 1], DType::F32)),
        ("x", zeros(&[2048], DType::I64)),
        ("odd", zeros(&[2048, 2047], DType::F32)),
        ("odd_row", zeros(&[2047], DType::F32)),
        ("cube", zeros(&[64, 128, 512], DType::F32)),
        ("plane", zeros(&[64, 1, 512], DType::F32)),
        ("batch", zeros(&[256, 128, 128], DType::F32)),
        ("few", zeros(&[1 << 20, 4], DType::F32)),
        ("short", zeros(&[1 << 20, 4], DType::F32)),
        ("sixteen", zeros(&[1 << 18, 16], DType::F32)),
        ("long", zeros(&[1 << 22], DType::F32)),
        ("doubles", zeros(&[1 << 20], DType::F64)),
    ]);
    operands
}
