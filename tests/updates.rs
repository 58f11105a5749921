//! Updates in place whose right sides read what is written elsewhere than where it is written: sums of it, other views of it,
//! other targets. They give what the values are that are evaluated first.
//!
//! Numbers are small and whole, so that every sum is exact and devices agree to the bit.

mod devices;

use devices::devices;
use hadamard::{DType, Device, Expr, Tensor, assign, eval_all};

/// An assignment, and all the memory it is about.
struct Case {
    name: &'static str,
    memory: Vec<Tensor>,
    targets: Vec<(Tensor, Expr)>,
}

impl Case {
    fn new(name: &'static str, memory: &[&Tensor], targets: Vec<(&Tensor, Expr)>) -> Self {
        let targets = targets.into_iter().map(|(target, value)| (target.clone(), value)).collect();
        Self { name, memory: memory.iter().map(|&tensor| tensor.clone()).collect(), targets }
    }

    /// What the memory holds once all values were evaluated, and written then. It is as before afterwards, as cases share it.
    fn wanted(&self) -> Vec<Vec<f32>> {
        let before = self.copies();
        let values: Vec<Expr> = self.targets.iter().map(|(target, value)| value.cast(target.dtype())).collect();
        let values = eval_all(&values).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        self.targets.iter().zip(values).for_each(|((target, _), value)| target.assign(&value).unwrap());
        let found = self.memory.iter().map(floats).collect();
        self.restore(&before);
        found
    }

    fn copies(&self) -> Vec<Tensor> {
        self.memory.iter().map(|tensor| (tensor + 0).cast(tensor.dtype()).eval().unwrap()).collect()
    }

    fn restore(&self, before: &[Tensor]) {
        self.memory.iter().zip(before).for_each(|(tensor, old)| tensor.assign(old).unwrap());
    }
}

fn whole(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
    Tensor::from_vec(values, shape, device).unwrap().to_dtype(dtype).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().to_vec().unwrap()
}

/// Sums of `n` rows: in one pass where they are few, in two where they are many.
fn sums(n: usize, dtype: DType, device: &Device) -> Vec<Case> {
    let of = |shape: &[usize]| whole(shape, dtype, device);
    let (x, y, planes) = (of(&[n, 4]), of(&[n, 4]), of(&[3, n, 2]));
    let (one, row, other, channel, each) = (of(&[]), of(&[4]), of(&[4]), of(&[3, 1, 1]), of(&[n, 1]));
    let off = |w: &Tensor| (&x * w) - &y;
    let slope = || (off(&row) * &x).sum(0);
    let speed = || &other * 2 + slope();
    let pair = of(&[8]);
    let weights = pair.reshape([4, 2]).unwrap();
    let halves = [pair.narrow(0, 0, 4).unwrap(), pair.narrow(0, 4, 4).unwrap()];
    let strided = [0, 1].map(|start| pair.slice(0, start, 8, 2).unwrap());
    vec![
        Case::new("a scalar", &[&one], vec![(&one, &one - (off(&one) * &x).sum(..))]),
        Case::new("a scalar that is read no more", &[&one], vec![(&one, off(&one).sum(..))]),
        Case::new("columns", &[&row], vec![(&row, &row - slope())]),
        Case::new("channels", &[&channel], {
            let grey = (&planes * &channel).sum(0);
            vec![(&channel, &channel - (&planes * grey).sum([1, 2]).reshape([3, 1, 1]))]
        }),
        Case::new("rows", &[&each], vec![(&each, &each - (off(&each) * &x).sum(1).reshape([n, 1]))]),
        Case::new("momentum", &[&row, &other], vec![(&other, speed()), (&row, &row - speed())]),
        Case::new("the ending reads another place", &[&row], vec![(&row, row.flip(0).unwrap() - slope())]),
        Case::new("two of one buffer", &[&pair], {
            let sum = |w: &Tensor| (&x * w).sum(0);
            vec![(&halves[0], &halves[0] - sum(&halves[1])), (&halves[1], &halves[1] + sum(&halves[0]))]
        }),
        Case::new("two that alternate", &[&pair], {
            let sum = |w: &Tensor| (&x * w).sum(0);
            vec![(&strided[0], &strided[0] - sum(&strided[1])), (&strided[1], &strided[1] + sum(&strided[0]))]
        }),
        Case::new("what is summed, less the sum", &[&x], vec![(&x, &x - x.narrow(0, 0, 5.min(n)).unwrap().sum(0))]),
        Case::new(
            "targets of two shapes",
            &[&y, &row],
            vec![(&row, &row + (&y * &row).sum(0)), (&y, &y * &row + y.narrow(0, 0, 3).unwrap().sum(..))],
        ),
        Case::new("a factor of a product", &[&x], vec![(&x, Expr::from(&x).matmul(whole(&[4, 4], dtype, device)))]),
        Case::new("weights of a product", &[&pair], {
            let out = Expr::from(&x).matmul(&weights);
            vec![(&weights, &weights - Expr::from(x.transpose(0, 1).unwrap()).matmul(out))]
        }),
    ]
}

/// Other places of the target, without sums or by scans and sorts.
fn views(n: usize, dtype: DType, device: &Device) -> Vec<Case> {
    let of = |shape: &[usize]| whole(shape, dtype, device);
    let (square, long, x) = (of(&[13, 13]), of(&[n + 3]), of(&[n, 3]));
    let (low, high) = (long.narrow(0, 0, n).unwrap(), long.narrow(0, 3, n).unwrap());
    let turned = square.transpose(0, 1).unwrap();
    let at = Tensor::from_vec((0..n).map(|i| (i * 5 % n) as i64).collect(), [n], device).unwrap();
    vec![
        Case::new("backwards", &[&long], vec![(&long, long.flip(0).unwrap() + 1)]),
        Case::new("transposed", &[&square], vec![(&square, &square + &turned)]),
        Case::new("into a transposed view", &[&square], vec![(&turned, &square - Expr::from(&square).sum(0))]),
        Case::new("a row for all", &[&x], vec![(&x, &x - x.narrow(0, 1, 1).unwrap())]),
        Case::new("shifted up", &[&long], vec![(&high, &low + 1)]),
        Case::new("shifted down, less a sum", &[&long], vec![(&low, &high - high.narrow(0, 0, 3).unwrap().sum(0))]),
        Case::new("running sums", &[&square], vec![(&square, Expr::from(&square).cumsum(1))]),
        Case::new(
            "running sums of the old",
            &[&long],
            vec![(&long, &long + long.flip(0).unwrap().cumsum(0).clamp(-9, 9))],
        ),
        Case::new("sorted", &[&x], vec![(&x, Expr::from(&x).sort(0, false).0)]),
        Case::new("sorted, beside it", &[&long], vec![(&low, &low * 2 + Expr::from(&high).sort(0, true).0)]),
        Case::new("chosen", &[&x], vec![(&x, Expr::from(&x).index_select(0, &at) + &x)]),
        Case::new("chosen, less a sum", &[&x], vec![(&x, Expr::from(&x).index_select(0, &at) - x.sum(0))]),
        Case::new("folded into itself", &[&x], vec![(&x, Expr::from(&x).index_add(0, &at, x.flip(0).unwrap()))]),
    ]
}

fn cases(device: &Device) -> Vec<Case> {
    let mut cases = Vec::new();
    let few = [DType::F32, DType::I32, DType::F16, DType::U8, DType::I64].map(|dtype| (7, dtype));
    let many = [DType::F32, DType::F16].map(|dtype| (20_000, dtype));
    for (n, dtype) in few.into_iter().chain(many) {
        cases.extend(sums(n, dtype, device));
        cases.extend(views(n, dtype, device));
    }
    cases
}

/// Right sides see the old values, at the first run and at later ones, which find what the first found.
#[test]
fn they_give_what_is_evaluated_first() {
    let wants: Vec<Vec<Vec<f32>>> = cases(&Device::cpu()).iter().map(Case::wanted).collect();
    for device in devices() {
        for (case, want) in cases(&device).iter().zip(&wants) {
            let before = case.copies();
            let targets: Vec<(&Tensor, Expr)> = case.targets.iter().map(|(t, value)| (t, value.clone())).collect();
            for round in 0..4 {
                assign(&targets).unwrap_or_else(|error| panic!("{device}: {}: {error}", case.name));
                for (tensor, want) in case.memory.iter().zip(want) {
                    let found = floats(tensor);
                    let wrong = found.iter().zip(want).position(|(a, b)| a.to_bits() != b.to_bits());
                    let shown = wrong.map(|i| (i, found[i], want[i]));
                    let (dtype, shape) = (tensor.dtype(), tensor.shape());
                    assert_eq!(shown, None, "{device}: {}, {dtype} {shape}, round {round}", case.name);
                }
                case.restore(&before);
            }
        }
    }
}

/// Steps that follow each other without a wait each see the last.
#[test]
fn gradient_descent_in_place_is_what_it_is_by_turns() {
    for device in devices() {
        let n = 30_000;
        let x = whole(&[n, 3], DType::F32, &device);
        let y = (&x * whole(&[3], DType::F32, &device)).eval().unwrap();
        let new = || Tensor::zeros([3], DType::F32, &device).unwrap();
        let slope = |w: &Tensor| ((&x * w - &y) * &x).sum(0) / (n as f32);
        let (w, v) = (new(), new());
        let speed = &v * 0.5 + slope(&w);
        let in_place = [(&v, speed.clone()), (&w, &w - speed * 0.05)];
        let turns = [(new(), new()), (new(), new())];
        for step in 0..12 {
            let [from, to] = [step % 2, 1 - step % 2].map(|turn| &turns[turn]);
            let speed = &from.1 * 0.5 + slope(&from.0);
            assign(&[(&to.1, speed.clone()), (&to.0, &from.0 - speed * 0.05)]).unwrap();
            assign(&in_place).unwrap();
        }
        assert_eq!(floats(&w), floats(&turns[0].0), "{device}");
        assert_eq!(floats(&v), floats(&turns[0].1), "{device}");
        assert!(floats(&w).iter().all(|w| *w != 0.0), "{device}: something was learned");
    }
}

/// Elements that share words, written by the pass that reduces or by one after it: neighbours of a target stay as they were,
/// what is wanted of the sums besides is right, and a target may be read for what it becomes.
#[test]
fn sums_written_to_elements_that_share_words_leave_their_neighbours_alone() {
    const ROWS: usize = 5;
    for device in devices() {
        for dtype in [DType::U8, DType::I8, DType::I16, DType::U16, DType::F16, DType::BF16] {
            for (columns, whole_row, from) in
                [(64, 64, 0), (64, 96, 0), (64, 96, 4), (64, 96, 3), (60, 66, 0), (63, 63, 0), (4, 8, 4), (260, 260, 0)]
            {
                let x = whole(&[3, ROWS, columns], DType::F32, &device).abs().eval().unwrap();
                let all = Tensor::full([ROWS, whole_row], 2.0_f32, &device).unwrap().to_dtype(dtype).unwrap();
                let part = all.narrow(1, from, columns).unwrap();
                let [sums, rows] =
                    [&[ROWS, columns][..], &[ROWS]].map(|s| Tensor::zeros(s, DType::F32, &device).unwrap());
                let sum = x.sum(0);
                let read = sum.cast(DType::F32) + part.cast(DType::F32);
                assign(&[(&part, read.cast(dtype)), (&sums, sum.clone()), (&rows, sum.sum(1))]).unwrap();
                let name = format!("{device}: {dtype}, {columns} of {whole_row} from {from}");
                let x = floats(&x);
                let sum = |i: usize| (0..3).map(|c| x[c * ROWS * columns + i]).sum::<f32>();
                let want: Vec<f32> = (0..ROWS * columns).map(sum).collect();
                assert_eq!(floats(&sums), want, "{name}");
                let of_row = |row: &[f32]| row.iter().sum::<f32>();
                assert_eq!(floats(&rows), want.chunks(columns).map(of_row).collect::<Vec<_>>(), "{name}");
                let column = |i: usize| (i % whole_row).checked_sub(from).filter(|&column| column < columns);
                let mine = |i: usize| column(i).map_or(2.0, |column| 2.0 + want[i / whole_row * columns + column]);
                assert_eq!(floats(&all), (0..ROWS * whole_row).map(mine).collect::<Vec<_>>(), "{name}");
            }
        }
    }
}
