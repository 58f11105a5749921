//! Evaluations on the CPU that are told to end: an error, and afterwards right answers.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hadamard::{DType, Device, Error, Expr, Function, Result, Tensor, interruptible, set_num_threads};

/// The number of threads belongs to the whole process, so one test at a time.
fn turn(threads: usize) -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_num_threads(threads).unwrap();
    turn
}

/// What `work` returns if it is told to end when it asks for the `nth` time, and how often it asked.
fn stopped_at<R>(nth: usize, work: impl FnOnce() -> R) -> (R, usize) {
    let asked = Rc::new(Cell::new(0));
    let counts = asked.clone();
    let stop = move || {
        counts.set(counts.get() + 1);
        counts.get() >= nth
    };
    let result = interruptible(stop, work);
    (result, asked.get())
}

fn is_interrupted<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Interrupted { .. }))
}

fn numbers(n: usize) -> Tensor {
    Tensor::uniform([n], -1.0..1.0, DType::F32, 7, &Device::cpu()).unwrap()
}

/// Some seconds of work over next to no memory, and what it comes to.
fn long() -> Expr {
    Expr::parse("sum(sin(sin(a[:, None]) * exp(a)))", &[("a", &numbers(40_000))]).unwrap()
}

#[test]
fn a_long_evaluation_ends_soon_after_it_is_told_to() {
    for threads in [1, 2, 3] {
        let _turn = turn(threads);
        let expr = long();
        let start = Instant::now();
        let (result, asked) = stopped_at(2, || expr.eval());
        assert!(is_interrupted(&result), "{threads} threads: {result:?}");
        assert_eq!(asked, 2, "nobody is asked again");
        assert!(start.elapsed() >= Duration::from_millis(100), "asked every 50 ms at most");
        // What has begun is finished; all of it would take a minute.
        assert!(start.elapsed() < Duration::from_secs(5), "{threads} threads: {:?}", start.elapsed());
        let small = numbers(1000);
        assert_eq!((&small - &small).sum(..).eval().unwrap().item::<f32>().unwrap(), 0.0);
    }
}

#[test]
fn every_kind_of_pass_can_be_told_to_end_at_any_time() {
    let (x, device) = (numbers(3_000_000), Device::cpu());
    let rows = x.reshape([3000, 1000]).unwrap();
    let index = (&x * 500.0 + 500.0).cast(DType::I64).eval().unwrap();
    let spread = (&x * 1e6 + 1e6).cast(DType::I64).eval().unwrap();
    let few = Tensor::zeros([1001], DType::F32, &device).unwrap();
    let many = Tensor::zeros([2_000_001], DType::F32, &device).unwrap();
    let named = [("x", &x), ("rows", &rows), ("index", &index), ("spread", &spread), ("few", &few), ("many", &many)];
    let texts = [
        ("map", "atan(exp(sin(asinh(sinh(tan(atan(exp(sin(x)))))))))"),
        ("reduce", "sum(exp(sin(asinh(sinh(tan(atan(exp(sin(x)))))))))"),
        ("bands", "softmax(tan(atan(exp(sin(asinh(sinh(rows)))))), 1)"),
        ("scan", "cumsum(sinh(tan(atan(exp(sin(x))))), 0)"),
        ("sort", "sort(x)[0]"),
        ("sort of rows", "sort(rows, 1)[0]"),
        ("argsort", "argsort(x)"),
        ("narrow segments", "index_add(few, 0, index, sin(x))"),
        ("segments", "index_add(many, 0, spread, sin(x))"),
        ("taking", "sin(index_select(x, 0, spread))"),
        ("product", "rows[:1000] @ rows[1000:2000].T + rows[:1000] @ rows[2000:]"),
    ];
    let cases = texts.map(|(name, text)| (name, Expr::parse(text, &named).unwrap()));
    for threads in [1, 2] {
        let _turn = turn(threads);
        for (name, expr) in &cases {
            let want = expr.eval().unwrap();
            let used = device.memory().used;
            let mut nth = 1;
            loop {
                let (result, asked) = stopped_at(nth, || expr.eval());
                match result {
                    Ok(tensor) => {
                        assert!(asked < nth, "{name}: it was told to end");
                        assert!(same(&tensor, &want), "{name}, {threads} threads, after {nth} attempts");
                        break;
                    }
                    Err(error) => assert!(matches!(error, Error::Interrupted { .. }), "{name}: {error}"),
                }
                assert_eq!(device.memory().used, used, "{name}: what was computed is let go of");
                nth += 1;
            }
            assert!(same(&expr.eval().unwrap(), &want), "{name}");
        }
    }
}

fn same(a: &Tensor, b: &Tensor) -> bool {
    a.ne(b).any(..).eval().unwrap().item::<bool>().is_ok_and(|differs| !differs)
}

#[test]
fn once_told_to_end_nothing_more_is_begun() {
    let _turn = turn(2);
    let (expr, small) = (long(), numbers(10));
    let ((first, second), _) = stopped_at(1, || (expr.eval(), (&small + 1.0).eval()));
    assert!(is_interrupted(&first) && is_interrupted(&second));
    assert_eq!((&small - &small).eval().unwrap().to_vec::<f32>().unwrap(), [0.0; 10]);
    // Another thread is not told, nor is the one that was, afterwards.
    let (other, _) = stopped_at(1, || {
        assert!(is_interrupted(&expr.eval()));
        std::thread::scope(|scope| scope.spawn(|| (&small * 2.0).eval().is_ok()).join().unwrap())
    });
    assert!(other);
}

#[test]
fn whoever_is_asked_may_evaluate_and_short_work_asks_nobody() {
    let _turn = turn(2);
    let small = numbers(100);
    let (result, asked) = stopped_at(1, || (&small + 1.0).sum(..).eval());
    assert!(result.is_ok() && asked == 0);
    let sum = (&small * 1.0).sum(..);
    let right = sum.eval().unwrap().item::<f32>().unwrap();
    let expr = long();
    let result = interruptible(move || sum.eval().unwrap().item::<f32>().unwrap() == right, || expr.eval());
    assert!(is_interrupted(&result));
}

#[test]
fn the_innermost_is_asked_and_the_outer_again_after_it() {
    let _turn = turn(1);
    let expr = long();
    let (result, asked) = stopped_at(1, || {
        let (inner, asked) = stopped_at(1, || expr.eval());
        assert!(is_interrupted(&inner) && asked == 1);
        expr.eval()
    });
    assert!(is_interrupted(&result) && asked == 1);
}

#[test]
fn a_function_works_again_after_it_was_told_to_end() {
    let _turn = turn(2);
    let function = Function::new("sum(sin(sin(a).unsqueeze(1) * exp(b)))").unwrap();
    let (a, b) = (numbers(40_000), numbers(40_000));
    let (result, _) = stopped_at(1, || function.call(&[(&a).into(), (&b).into()]));
    assert!(is_interrupted(&result));
    let (few, zeros) = (numbers(50), Tensor::zeros([50], DType::F32, &Device::cpu()).unwrap());
    assert_eq!(function.call(&[(&zeros).into(), (&few).into()]).unwrap().item::<f32>().unwrap(), 0.0);
    // A lock that was held is free: what was read may be written.
    a.fill(0.0).unwrap();
    assert_eq!(a.sum(..).eval().unwrap().item::<f32>().unwrap(), 0.0);
}

#[test]
fn a_worker_of_the_callers_pool_is_asked_too() {
    let _turn = turn(2);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let expr = long();
    let start = Instant::now();
    let (first, second) =
        pool.join(|| stopped_at(1, || expr.eval().map(drop)).0, || stopped_at(1, || expr.eval().map(drop)).0);
    assert!(is_interrupted(&first) && is_interrupted(&second));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
