//! The pool of buffers, on one thread.

use crate::pool::{Pool, size_class};

#[test]
fn classes_are_close_above() {
    for bytes in [0, 1, 255, 256, 257, 384, 385, 1000, 4096, 5000, 1 << 20, (1 << 20) + 1] {
        let class = size_class(bytes);
        assert!(class >= bytes && class.is_multiple_of(4), "{bytes} in {class}");
        assert!(bytes <= 256 || class * 2 <= bytes * 3 + 2, "{bytes} in {class}");
    }
}

#[test]
fn a_freed_buffer_serves_the_next_request_of_its_class() {
    let pool = Pool::new();
    let first = pool.take::<()>(512, |_| true, || Ok(1)).unwrap();
    pool.give(512, first);
    assert_eq!(pool.take::<()>(512, |_| true, || Ok(2)).unwrap(), 1);
    let stats = pool.stats();
    assert_eq!((stats.used, stats.pooled, stats.allocations, stats.reuses), (512, 0, 1, 1));
    pool.give(512, 1);
    assert_eq!(pool.take::<()>(512, |&b| b != 1, || Ok(3)).unwrap(), 3);
    assert_eq!(pool.drain(), [1]);
}
