//! The pool of buffers, on one thread.

use crate::base::pool::{Pool, size_class};

fn take(pool: &Pool<i32>, class: u64, fits: impl Fn(&i32) -> bool, new: i32) -> Result<i32, &'static str> {
    pool.take(class, fits, || Ok(new), || "no room")
}

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
    let first = take(&pool, 512, |_| true, 1).unwrap();
    pool.give(512, first);
    assert_eq!(take(&pool, 512, |_| true, 2), Ok(1));
    let stats = pool.stats();
    assert_eq!((stats.used, stats.pooled, stats.allocations, stats.reuses), (512, 0, 1, 1));
    pool.give(512, 1);
    assert_eq!(take(&pool, 512, |&b| b != 1, 3), Ok(3));
    assert_eq!(pool.drain(), [1]);
}

#[test]
fn no_more_is_held_than_twice_what_was_in_use_at_once() {
    let pool = Pool::new();
    for (i, class) in [1024, 512, 256, 768].into_iter().enumerate() {
        let buffer = take(&pool, class, |_| true, i as i32).unwrap();
        pool.give(class, buffer);
    }
    // 1024 bytes at most: of 1024, 512, 256 and 768 the last three fit, and the oldest went first.
    assert_eq!(pool.stats().pooled, 1536);
    let fifth = take(&pool, 1024, |_| true, 4).unwrap();
    pool.give(1024, fifth);
    assert_eq!((pool.stats().pooled, pool.released()), (2048, 2));
    assert_eq!(pool.drain(), [2, 3, 4]);
}

#[test]
fn a_limit_holds_and_what_is_kept_makes_way() {
    let pool = Pool::new();
    pool.set_limit(Some(1024));
    let kept = take(&pool, 512, |_| true, 1).unwrap();
    pool.give(512, kept);
    assert_eq!(take(&pool, 768, |_| true, 2), Ok(2));
    assert_eq!((pool.stats().used, pool.stats().pooled), (768, 0));
    assert_eq!(take(&pool, 512, |_| true, 3), Err("no room"));
    assert_eq!(take(&pool, 256, |_| true, 4), Ok(4));
    let failed: Result<i32, _> = pool.take(0, |_| true, || Err("broken"), || "no room");
    assert_eq!((failed, pool.stats().used), (Err("broken"), 1024));
    pool.give(768, 2);
    pool.set_limit(Some(256));
    assert_eq!((pool.stats().used, pool.stats().pooled), (256, 0));
}
