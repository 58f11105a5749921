//! Reading and writing by tensors of indices, on every device: against plain index arithmetic, in few passes, and with
//! errors for indices that are out of range.

mod devices;

use devices::failures_on_each;
#[cfg(feature = "gpu")]
use devices::limited;
use hadamard::{DType, Device, Error, Expr, Tensor, assign, eval_all, reference};

fn floats(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

fn table(rows: usize, columns: usize, device: &Device) -> Tensor {
    Tensor::from_slice(&floats(rows * columns), [rows, columns], device).unwrap()
}

fn indices(values: &[i64], device: &Device) -> Tensor {
    Tensor::from_slice(values, [values.len()], device).unwrap()
}

/// Runs `test` on every device and panics with what it finds wrong.
fn on_each(test: impl Fn(&Device) -> Result<(), String> + Sync) {
    let failures =
        failures_on_each(|device| test(device).err().map(|error| format!("{device}: {error}")).into_iter().collect());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn expect<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, got: &T, want: &T) -> Result<(), String> {
    if got == want { Ok(()) } else { Err(format!("{what}: {got:?}, want {want:?}")) }
}

/// What is wrong with an expression by the reference.
fn judge(what: &str, expr: &Expr) -> Result<(), String> {
    let compare = || reference::compare(&expr.eval()?, &reference::eval(expr)?);
    let comparison = compare().map_err(|error| format!("{what}: {error}"))?;
    if comparison.passed() { Ok(()) } else { Err(format!("{what}: {comparison}")) }
}

#[test]
fn an_index_chooses_rows_columns_and_elements() {
    on_each(|device| {
        let x = table(4, 3, device);
        let (i, j) = (indices(&[2, 0, -1], device), indices(&[1, 1, 0, -3], device));
        let x = Expr::from(&x);
        let read = |expr: Expr| expr.eval().and_then(|y| Ok((y.shape().to_vec(), y.to_vec::<f32>()?))).unwrap();
        expect("rows", &read(x.index(0, &i)), &(vec![3, 3], vec![6., 7., 8., 0., 1., 2., 9., 10., 11.]))?;
        expect("columns", &read(x.index(1, &j)).1[..4], &[1., 1., 0., 0.][..])?;
        let square = Expr::from(&i).reshape([3, 1]);
        expect("shape", &x.index(0, &square).shape().to_vec(), &vec![3, 1, 3])?;
        expect("take", &read(x.take(&j)).1, &vec![1., 1., 0., 9.])?;
        let along = Expr::from(&i).reshape([1, 3]);
        expect("along", &read(x.take_along_dim(&along, 0)).1, &vec![6., 1., 11.])?;
        let first = indices(&[3, 1], device).reshape([1, 2]).unwrap();
        expect("gather", &read(x.gather(0, &first)), &(vec![1, 2], vec![9., 4.]))?;
        expect("one", &read(x.index(0, -1)), &(vec![3], vec![9., 10., 11.]))?;
        expect("of one", &read(x.index(0, Expr::from(&i).at(0))), &(vec![3], vec![6., 7., 8.]))
    });
}

/// Views before and after, chains that no strides can say, reductions, numbers, coordinates, every dtype of index.
#[test]
fn an_index_may_choose_of_anything() {
    on_each(|device| {
        let x = Tensor::from_slice(&floats(24), [2, 3, 4], device).unwrap();
        let (x, i) = (Expr::from(&x), indices(&[1, -1, 0, 1, 0], device));
        let (i, long) = (Expr::from(&i), Expr::arange(12) - 6);
        judge("a view", &x.flip(1).transpose(0, 2).index(0, &i))?;
        judge("views of it", &x.index(2, &i).transpose(0, 2).flip(0).narrow(1, 1, 2))?;
        judge("reshaped", &x.index(0, &i).reshape([6, 10]).transpose(0, 1).reshape([60]))?;
        judge("a chain", &x.transpose(0, 2).reshape([12, 2]).index(0, &long))?;
        judge("chains of chains", &x.transpose(0, 2).reshape([12, 2]).transpose(0, 1).reshape([24]).index(0, &long))?;
        judge("an index of an index", &x.index(1, &i).index(2, &i).index(0, &i))?;
        judge("one index by another", &x.index(2, i.index(0, &i)))?;
        judge("a sum", &x.sum(1).index(1, &i))?;
        judge("a mean and more", &(x.mean(2) * 2).exp().index(1, &i))?;
        judge("a sum of a sum", &x.index(0, &i).sum(0).index(1, &i).sum(..))?;
        judge("coordinates", &Expr::arange(9).reshape([3, 3]).transpose(0, 1).index(0, &i))?;
        judge(
            "a product of matrices",
            &x.index(0, &i).reshape([20, 3]).matmul(x.at(0).index(1, (&i * 2 / 2).cast(DType::I16))),
        )?;
        for dtype in [DType::I8, DType::I16, DType::I32, DType::I64] {
            judge("a dtype", &x.index(1, i.cast(dtype)))?;
        }
        for dtype in [DType::Bool, DType::U8, DType::I8, DType::F16, DType::I64] {
            judge("of a dtype", &x.cast(dtype).index(1, &i))?;
        }
        judge("nothing", &x.index(1, i.narrow(0, 0, 0)))?;
        judge("nothing of nothing", &x.narrow(1, 0, 0).index(1, i.narrow(0, 0, 0)))
    });
}

/// Sizes at the edges of vectors, workgroups and strips.
#[test]
fn every_size_is_right() {
    on_each(|device| {
        for (rows, columns, n) in [(1, 1, 1), (3, 5, 7), (2, 64, 65), (300, 4, 257), (5, 1023, 3), (7, 300, 33)] {
            let x = Expr::from(&table(rows, columns, device));
            let i = Tensor::from_slice(&(0..n).map(|k| ((k * 7 + 3) % rows) as i32).collect::<Vec<_>>(), [n], device);
            let i = i.map_err(|error| error.to_string())?;
            let w = table(n, columns, device);
            let what = format!("{rows} by {columns}, {n}");
            judge(&what, &x.index(0, &i))?;
            judge(&what, &x.transpose(0, 1).index(1, &i))?;
            judge(&what, &x.index(0, &i).cast(DType::F16))?;
            for dims in [&[0][..], &[1], &[0, 1]] {
                judge(&what, &(x.index(0, &i) * &w * 1e-3).sum(dims))?;
                judge(&what, &(x.transpose(0, 1).index(1, &i) * w.transpose(0, 1).unwrap()).amax(dims))?;
            }
        }
        Ok(())
    });
}

/// What is read by an index is never gathered in memory.
#[test]
fn a_sum_over_chosen_rows_is_one_pass() {
    on_each(|device| {
        let (x, w) = (table(50, 8, device), table(400, 8, device));
        let i = Tensor::from_slice(&(0..400).map(|k| k * 11 % 50).collect::<Vec<_>>(), [400], device).unwrap();
        let sum = (Expr::from(&x).index(0, &i) * &w).sum(1);
        let before = device.counters().kernels;
        let y = sum.eval().map_err(|error| error.to_string())?;
        let kernels = device.counters().kernels - before;
        // The CPU, which looks at the indices in a pass of its own, counts those of all tests; and such a pass binds three
        // tensors, the result and the marks.
        let one_pass = device.is_gpu() && device.info().max_bindings >= 5;
        expect("passes", &kernels, &if one_pass { 1 } else { kernels })?;
        let want: Vec<f32> =
            (0..400).map(|k| (0..8).map(|c| floats(400)[k * 11 % 50 * 8 + c] * (k * 8 + c) as f32).sum()).collect();
        expect("sums", &y.to_vec::<f32>().unwrap(), &want)
    });
}

/// An index out of range is an error that names the operation, the index, the dim and its size: of the evaluation or of
/// what first waits for it. It is reported once, and no memory beside the tensor is read.
#[test]
fn an_index_out_of_range_is_an_error() {
    on_each(|device| {
        let x = table(4, 3, device);
        let first = |expr: &Expr| match expr.eval() {
            Ok(y) => y.to_vec::<f32>().map(|_| y).expect_err("an index was out of range"),
            Err(error) => error,
        };
        let x = Expr::from(&x);
        let along = |i: i64| indices(&[i, 0, 0], device).reshape([1, 3]).unwrap();
        let update = Tensor::zeros([1, 3], DType::F32, device).unwrap();
        for (op, expr, index, dim, size) in [
            ("index", x.index(0, indices(&[0, 4], device)), 4, 0, 4),
            ("index", x.index(1, indices(&[0, -4], device)), -4, 1, 3),
            ("index", x.index(0, Expr::from(&indices(&[0, 4], device)).cast(DType::I32)).sum(..), 4, 0, 4),
            ("index", x.narrow(0, 1, 1).index(0, indices(&[1], device)), 1, 0, 1),
            ("index", x.sum(0).broadcast_to([2, 3]).index(0, indices(&[2], device)), 2, 0, 2),
            ("index_select", x.index_select(0, indices(&[-1], device)), -1, 0, 4),
            ("take", x.take(indices(&[12], device)), 12, 0, 12),
            ("take_along_dim", x.take_along_dim(along(4), 0), 4, 0, 4),
            ("gather", x.gather(0, along(-1)), -1, 0, 4),
            ("index_add", x.index_add(0, indices(&[7], device), &update), 7, 0, 4),
            ("index_copy", x.index_copy(0, indices(&[7], device), &update), 7, 0, 4),
            ("index_fill", x.index_fill(0, indices(&[-1], device), 1.0), -1, 0, 4),
            ("scatter_add", x.scatter_add(0, along(5), &update), 5, 0, 4),
            ("cross_entropy", x.cross_entropy(indices(&[0, 3, 1, 2], device)), 3, 1, 3),
            ("nll_loss", x.nll_loss(indices(&[0, -1, 1, 2], device)), -1, 1, 3),
            ("one_hot", indices(&[0, 5], device).one_hot(3).cast(DType::F32), 5, 1, 3),
            (
                "index",
                x.index(0, indices(&[1 << 40], device)),
                if device.is_gpu() { i32::MAX.into() } else { 1 << 40 },
                0,
                4,
            ),
        ] {
            let Error::Index { op: found_op, index: found, dim: found_dim, size: found_size, .. } = first(&expr) else {
                return Err(format!("{op}: another error"));
            };
            expect(op, &(found_op, found, found_dim, found_size), &(op, index, dim, size))?;
            device.synchronize().map_err(|error| format!("reported twice: {error}"))?;
        }
        Ok(())
    });
}

/// A mark that was raised is found after any number of launches, by a call on any tensor; and what was read in the place
/// of what is not there is an element of the tensor, though there is other memory on both sides.
#[test]
fn a_long_recording_still_reports_it() {
    on_each(|device| {
        let memory = Tensor::full([64, 3], 777.0_f32, device).unwrap();
        let x = memory.narrow(0, 30, 4).unwrap();
        x.fill(5.0).unwrap();
        let i = indices(&[0, 100, -100, 3], device);
        let y = Tensor::zeros([4, 3], DType::F32, device).unwrap();
        let outcome = assign(&[(&y, Expr::from(&x).index(0, &i) * 2)]);
        if !device.is_gpu() {
            return match outcome {
                Err(Error::Index { .. }) => expect("target", &y.to_vec::<f32>().unwrap(), &vec![0.0; 12]),
                other => Err(format!("{other:?}")),
            };
        }
        outcome.map_err(|error| error.to_string())?;
        let counter = Tensor::zeros([1000], DType::F32, device).unwrap();
        for _ in 0..2000 {
            counter.assign(&counter + 1).unwrap();
        }
        match counter.to_vec::<f32>() {
            Err(Error::Index { index: 100, dim: 0, size: 4, .. }) => {}
            other => return Err(format!("{other:?}")),
        }
        expect("counter", &counter.to_vec::<f32>().unwrap()[0], &2000.0)?;
        expect("chosen", &y.to_vec::<f32>().unwrap(), &vec![10.0; 12])
    });
}

/// Begins to read a tensor and lets go of the future; whether the read was still on its way.
fn begin_to_read(tensor: &Tensor) -> bool {
    let mut read = std::pin::pin!(tensor.to_vec_async::<f32>());
    read.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
}

/// A mark that came with a read whose future is dropped is reported by the next call that waits.
#[test]
fn a_dropped_read_still_reports_it() {
    on_each(|device| {
        if !device.is_gpu() {
            return Ok(());
        }
        let x = table(4, 3, device);
        let one = Tensor::full([1], 1.0_f32, device).unwrap();
        let long = Tensor::full([1 << 22], 0.5_f32, device).unwrap();
        let waits: [&dyn Fn() -> hadamard::Result<()>; 2] =
            [&|| device.synchronize(), &|| one.to_vec::<f32>().map(|_| ())];
        for wait in waits {
            // A driver may finish the work while it takes it, or in the moment before the read is looked at.
            let dropped = (0..10).any(|_| {
                let lasting = (0..20).fold(Expr::from(&long), |x, _| x.sin().exp()).sum(..).eval().unwrap();
                let y = x.index(0, indices(&[0, 9], device)).eval().unwrap();
                begin_to_read(&(y + lasting * 0.0).eval().unwrap())
            });
            match (dropped, wait()) {
                (true, Err(Error::Index { index: 9, dim: 0, size: 4, .. })) | (false, Ok(())) => {}
                other => return Err(format!("{other:?}")),
            }
            wait().map_err(|error| format!("reported twice: {error}"))?;
        }
        Ok(())
    });
}

/// Each of several dropped reads has its own mark to report, one call after the other.
#[test]
fn dropped_reads_report_one_after_the_other() {
    on_each(|device| {
        if !device.is_gpu() {
            return Ok(());
        }
        let x = table(4, 3, device);
        let long = Tensor::full([1 << 22], 0.5_f32, device).unwrap();
        let lasting = (0..40).fold(Expr::from(&long), |x, _| x.sin().exp()).sum(..).eval().unwrap();
        // A driver that has finished by then has told the future.
        let mut wanted: Vec<i64> = vec![];
        for (index, chosen) in [(9, x.index(0, indices(&[0, 9], device))), (7, x.index(1, indices(&[0, 7], device)))] {
            if begin_to_read(&(chosen + &lasting * 0.0).eval().unwrap()) {
                wanted.push(index);
            }
        }
        for index in wanted {
            match device.synchronize() {
                Err(Error::Index { index: found, .. }) if found == index => {}
                other => return Err(format!("{other:?} instead of {index}")),
            }
        }
        device.synchronize().map_err(|error| format!("reported twice: {error}"))
    });
}

/// What lies beyond the end of a group of elements is no index, whatever memory holds there.
#[test]
fn what_is_no_element_is_no_index() {
    on_each(|device| {
        let memory = Tensor::full([200], 1_000_000, device).unwrap();
        let x = table(4, 3, device);
        for n in 1..20 {
            let i = memory.narrow(0, 64, n).unwrap();
            i.fill(3).unwrap();
            let rows = Expr::from(&x).index(0, &i);
            let columns = Expr::from(&x).transpose(0, 1).index(1, &i);
            let parts = [rows.clone(), rows.sum(0), rows.sum(1), columns.sum(0), columns.sum(1), rows.cast(DType::F16)];
            eval_all(&parts).and_then(|_| device.synchronize()).map_err(|error| format!("{n}: {error}"))?;
            for part in parts {
                part.eval().and_then(|_| device.synchronize()).map_err(|error| format!("{n}: {part:?}: {error}"))?;
            }
            i.fill(1_000_000).unwrap();
        }
        Ok(())
    });
}

#[test]
fn rows_without_elements_are_chosen_and_written_too() {
    on_each(|device| {
        let x = Tensor::zeros([9, 0, 3, 5], DType::F32, device).unwrap();
        let source = Tensor::zeros([4, 0, 3, 5], DType::F32, device).unwrap();
        let index = indices(&[2, 1, 8, 3], device);
        let copied = x.index_copy(0, &index, &source);
        for (what, expr) in [
            ("index_copy", copied.flip(0)),
            ("index_copy and a scan", copied.flip(0).cumsum(3)),
            ("index_add", x.index_add(0, &index, &source).flip(0)),
            ("index_select", x.index_select(0, &index).flip(0)),
        ] {
            expect(what, &expr.eval().unwrap().shape().to_vec(), &expr.shape().to_vec())?;
        }
        Ok(())
    });
}

/// A table larger than a binding is read window by window, whatever its dtype.
#[cfg(feature = "gpu")]
#[test]
fn a_table_may_be_larger_than_a_binding() {
    on_each(|device| {
        if !device.is_gpu() {
            return Ok(());
        }
        let small = &limited(device, |limits| limits.max_storage_buffer_binding_size = 2048);
        let x = table(500, 3, small);
        let i = Tensor::from_slice(&(0..200).map(|k| (k * 137 + 11) % 500).collect::<Vec<_>>(), [200], small).unwrap();
        let x = Expr::from(&x);
        for dtype in [DType::F32, DType::Bool, DType::U8, DType::F16, DType::I64] {
            judge(&format!("{dtype}"), &x.cast(dtype).index(0, &i))?;
        }
        judge("backwards", &x.flip(0).index(0, &i).sum(1))?;
        judge("a sum", &(x.index(0, &i) * 2).sum(0))?;
        judge("a reduction", &x.sum(1).index(0, &i))?;
        judge("twice", &x.index(0, &i).index(0, (Expr::from(&i) * 2 % 200).cast(DType::I32)).sum(0))
    });
}

#[test]
fn updates_by_index_are_in_order() {
    on_each(|device| {
        let x = Expr::from(&table(4, 2, device));
        let i = indices(&[2, 0, 2], device);
        let source = Expr::from(&table(3, 2, device)) * 10;
        let read = |expr: Expr| expr.eval().and_then(|y| y.to_vec::<f32>()).map_err(|error| error.to_string());
        expect("add", &read(x.index_add(0, &i, &source))?, &vec![20., 31., 2., 3., 44., 65., 6., 7.])?;
        expect("copy", &read(x.index_copy(0, &i, &source))?, &vec![20., 30., 2., 3., 40., 50., 6., 7.])?;
        expect("fill", &read(x.index_fill(0, &i, -1))?, &vec![-1., -1., 2., 3., -1., -1., 6., 7.])?;
        let at = Tensor::from_slice(&[3_i64, 0, 3], [3, 1], device).unwrap();
        expect("scatter", &read(x.scatter(0, &at, &source))?, &vec![20., 1., 2., 3., 4., 5., 40., 7.])?;
        expect("scatter a number", &read(x.scatter(0, &at, 9))?, &vec![9., 1., 2., 3., 4., 5., 9., 7.])?;
        expect("scatter_add", &read(x.scatter_add(0, &at, &source))?, &vec![20., 1., 2., 3., 4., 5., 46., 7.])?;
        judge("columns", &x.index_add(1, indices(&[1, 1], device), &x))?;
        judge("bytes", &x.cast(DType::U8).index_add(1, indices(&[1, 1], device), (&x * 40).cast(DType::U8)))?;
        judge("a tensor by its own elements", &x.index_copy(0, &i, x.index(0, &i)))
    });
}

#[test]
fn a_mask_selects() {
    on_each(|device| {
        let x = table(4, 3, device);
        let read = |y: hadamard::Result<Tensor>| y.and_then(|y| y.to_vec::<f32>()).map_err(|error| error.to_string());
        expect("some", &read(x.masked_select(x.gt(7)))?, &vec![8., 9., 10., 11.])?;
        let row = Tensor::from_slice(&[true, false, true], [3], device).unwrap();
        expect("a row's", &read((&x * 2).masked_select(&row))?, &vec![0., 4., 6., 10., 12., 16., 18., 22.])?;
        expect("none", &read(x.masked_select(x.gt(99)))?, &vec![])?;
        let error = x.masked_select(&x).unwrap_err().to_string();
        expect("no mask", &error.contains("a mask of bools, found f32"), &true)
    });
}

/// In the memory that is read, too.
#[test]
fn an_update_may_read_what_it_writes() {
    on_each(|device| {
        let x = table(4, 2, device);
        let i = indices(&[3, 2, 1, 0], device);
        x.assign(Expr::from(&x).index(0, &i)).map_err(|error| error.to_string())?;
        expect("reversed", &x.to_vec::<f32>().unwrap(), &vec![6., 7., 4., 5., 2., 3., 0., 1.])?;
        x.assign(Expr::from(&x).index_add(0, &i, &x)).map_err(|error| error.to_string())?;
        expect("added", &x.to_vec::<f32>().unwrap(), &vec![6., 8., 6., 8., 6., 8., 6., 8.])
    });
}

#[test]
fn gradients_go_where_was_read() {
    on_each(|device| {
        let x = table(4, 2, device);
        let e = Expr::from(&x);
        let (i, along) = (indices(&[2, -1, 2], device), Tensor::from_slice(&[0, 1, 1, 0], [4, 1], device).unwrap());
        let weights = table(3, 2, device);
        let gradient = |loss: Expr| {
            loss.grad(&[&x]).and_then(|mut g| g.remove(0).eval()?.to_vec::<f32>()).map_err(|error| error.to_string())
        };
        expect("index", &gradient((e.index(0, &i) * &weights).sum(..))?, &vec![0., 0., 0., 0., 4., 6., 2., 3.])?;
        expect("along", &gradient(e.take_along_dim(&along, 1).sum(..))?, &vec![1., 0., 0., 1., 0., 1., 1., 0.])?;
        let added = e.index_add(0, indices(&[2, 3, 2], device), &weights);
        expect("index_add", &gradient(added.square().sum(..))?, &vec![0., 2., 4., 6., 16., 22., 16., 20.])?;
        let copied = e.index_copy(0, indices(&[2], device), weights.narrow(0, 0, 1).unwrap());
        expect("index_copy", &gradient(copied.sum(..))?, &vec![1., 1., 1., 1., 0., 0., 1., 1.])?;
        // Into what is written.
        let into = e.index_add(0, indices(&[2, 3, 2], device), &weights).square().sum(..).grad(&[&weights]);
        let into = into.and_then(|mut g| g.remove(0).eval()?.to_vec::<f32>()).map_err(|error| error.to_string())?;
        expect("the source", &into, &vec![16., 22., 16., 20., 16., 22.])
    });
}

#[test]
fn what_is_no_index_is_refused() {
    let device = Device::cpu();
    let x = Expr::from(&table(4, 3, &device));
    let i = indices(&[0, 1], &device);
    let mask = Tensor::from_slice(&[true, false, true, true], [4], &device).unwrap();
    for (expr, part) in [
        (x.index(0, &mask), "a mask"),
        (x.index(0, 1.5), "an index of i8, i16, i32 or i64"),
        (x.index(2, &i), "dim 2"),
        (x.index_select(0, Expr::from(&i).reshape([1, 2])), "an index with one dim"),
        (x.gather(0, &i), "an index with 2 dims"),
        (x.take_along_dim(Expr::from(&i).reshape([1, 2]), 0), "fits [4, 3] in all dims but 0"),
        (x.index_add(0, &i, &x), "a source of shape [2, 3]"),
        (x.cast(DType::I32).index_add(0, indices(&[0, 1, 2, 3], &device), &x), "a source that i32 holds"),
        (x.narrow(0, 0, 0).index(0, &i), "whose size is 0"),
    ] {
        let error = expr.error().unwrap_or_else(|| panic!("{part}: not refused")).to_string();
        assert!(error.contains(part), "{error}: {part}");
    }
}
