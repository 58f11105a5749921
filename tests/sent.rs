//! Updates by indices so many that they are sorted: against plain loops, with duplicates of every degree.

mod devices;

use devices::devices;
use hadamard::{DType, Expr, Tensor};

const SIZE: usize = 700;
const INDICES: usize = 900;
const WIDTH: usize = 3;

/// Indices that name every element about once, a few very often, or one alone.
fn indices() -> [Vec<i64>; 3] {
    let even = (0..INDICES).map(|i| (i * 7919 % SIZE) as i64).collect();
    let skewed =
        (0..INDICES).map(|i| ((i * 7919 % 997).pow(4) / 997_usize.pow(3) * SIZE / 998) as i64 % SIZE as i64).collect();
    [even, skewed, vec![SIZE as i64 - 1; INDICES]]
}

fn sources() -> Vec<f32> {
    (0..INDICES * WIDTH).map(|i| (i * 31 % 201) as f32 * 0.5 - 50.0).collect()
}

#[test]
fn slices_are_added_copied_and_filled() {
    for device in &devices() {
        let source = sources();
        let x: Vec<f32> = (0..SIZE * WIDTH).map(|i| (i % 17) as f32).collect();
        for index in indices() {
            let at = Tensor::from_slice(&index, [INDICES], device).unwrap();
            let from = Tensor::from_slice(&source, [INDICES, WIDTH], device).unwrap();
            let to = Expr::from(&Tensor::from_slice(&x, [SIZE, WIDTH], device).unwrap());
            let (mut sums, mut copies, mut fills) = (x.clone(), x.clone(), x.clone());
            for (s, &j) in index.iter().enumerate() {
                for c in 0..WIDTH {
                    let place = j as usize * WIDTH + c;
                    // Halves of small numbers: exact in any order.
                    sums[place] += source[s * WIDTH + c];
                    copies[place] = source[s * WIDTH + c];
                    fills[place] = -1.0;
                }
            }
            let found = |expr: Expr| expr.eval().unwrap().to_vec::<f32>().unwrap();
            assert_eq!(found(to.index_add(0, &at, &from)), sums, "{device}");
            assert_eq!(found(to.index_copy(0, &at, &from)), copies, "{device}");
            assert_eq!(found(to.index_fill(0, &at, -1.0)), fills, "{device}");
            // Along the other dim, through views; integers and bools.
            let turned = to.transpose(0, 1).index_add(1, &at, from.transpose(0, 1).unwrap());
            assert_eq!(found(turned.transpose(0, 1)), sums, "{device}");
            let whole = (&to * 2).cast(DType::I32).index_add(0, &at, (&from * 2.0).cast(DType::I32));
            assert_eq!(found(whole.cast(DType::F32) * 0.5), sums, "{device}");
        }
    }
}

#[test]
fn elements_are_scattered_and_gradients_come_back() {
    for device in &devices() {
        for index in indices() {
            // A column of its own for each.
            let columns: Vec<i64> =
                (0..INDICES * WIDTH).map(|i| (index[i / WIDTH] + (i % WIDTH) as i64 * 11) % SIZE as i64).collect();
            let source = sources();
            let at = Tensor::from_slice(&columns, [INDICES, WIDTH], device).unwrap();
            let from = Tensor::from_slice(&source, [INDICES, WIDTH], device).unwrap();
            let x = Tensor::zeros([SIZE, WIDTH], DType::F32, device).unwrap();
            let (mut sums, mut last) = (vec![0.0_f32; SIZE * WIDTH], vec![0.0_f32; SIZE * WIDTH]);
            for (i, &j) in columns.iter().enumerate() {
                sums[j as usize * WIDTH + i % WIDTH] += source[i];
                last[j as usize * WIDTH + i % WIDTH] = source[i];
            }
            let found = |expr: Expr| expr.eval().unwrap().to_vec::<f32>().unwrap();
            assert_eq!(found(x.scatter_add(0, &at, &from)), sums, "{device}");
            assert_eq!(found(x.scatter(0, &at, &from)), last, "{device}");
            let loss = (x.gather(0, &at) * &from).sum(..);
            assert_eq!(found(loss.grad(&[&x]).unwrap().remove(0)), sums, "{device}");
        }
    }
}

#[test]
fn the_same_bits_every_time() {
    for device in &devices() {
        let at = Tensor::from_slice(&indices()[1], [INDICES], device).unwrap();
        let from = Tensor::normal([INDICES, WIDTH], 0.0, 1.0, DType::F32, 1, device).unwrap();
        let x = Tensor::zeros([SIZE, WIDTH], DType::F32, device).unwrap();
        let sum = x.index_add(0, &at, &from);
        let bits = || sum.eval().unwrap().to_vec::<f32>().unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let first = bits();
        for _ in 0..5 {
            assert_eq!(bits(), first, "{device}");
        }
    }
}

#[test]
fn an_index_out_of_range_is_found() {
    for device in &devices() {
        let mut index = indices()[0].clone();
        index[INDICES / 2] = SIZE as i64;
        let at = Tensor::from_slice(&index, [INDICES], device).unwrap();
        let x = Tensor::zeros([SIZE], DType::F32, device).unwrap();
        let added = x.index_add(0, &at, Tensor::ones([INDICES], DType::F32, device).unwrap());
        let error = added.eval().and_then(|sum| sum.to_vec::<f32>()).unwrap_err();
        assert!(error.to_string().contains("index_add"), "{device} {error}");
    }
}
