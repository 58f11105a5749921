//! Which order holds between what a program submits and what is done here.

use hadamard::wgpu;
use hadamard::{DType, Device, Tensor};

use super::owned;

/// Long enough that what is not ordered is seen not to be.
const N: usize = 1 << 18;

#[test]
fn a_flush_stands_between_our_work_and_the_caller_s() {
    for own in owned() {
        let device = own.open();
        let zeros = own.holding(&vec![0; N * 4]);
        let buffer = own.holding(&vec![0; N * 4]);
        let x = Tensor::from_wgpu(&buffer, 0, [N], DType::F32, &device).unwrap();
        let kept = own.holding(&vec![0; N * 4]);
        for round in 0..20 {
            // Ours, the caller's, ours: each reads what the one before has written.
            let seen = (&x + 1.0).eval().unwrap();
            x.assign(&seen * 2.0).unwrap();
            device.flush().unwrap();
            let mut encoder = own.encoder();
            encoder.copy_buffer_to_buffer(&buffer, 0, &kept, 0, (N * 4) as u64);
            encoder.copy_buffer_to_buffer(&zeros, 0, &buffer, 0, (N * 4) as u64);
            own.queue.submit([encoder.finish()]);
            x.assign(&x + (round as f32)).unwrap();
            device.flush().unwrap();
            let expected = if round == 0 { 2.0 } else { round as f32 * 2.0 };
            let found = own.floats(&kept);
            assert!(found.iter().all(|&x| x == expected), "{device}: {round}: {} for {expected}", found[0]);
            let found = own.floats(&buffer);
            assert!(found.iter().all(|&x| x == round as f32), "{device}: {round}: {}", found[0]);
        }
    }
}

#[test]
fn what_is_not_flushed_is_not_there_yet() {
    for own in owned() {
        let device = own.open();
        let buffer = own.holding(&[0; 64]);
        let x = Tensor::from_wgpu(&buffer, 0, [16], DType::F32, &device).unwrap();
        x.fill(3.0).unwrap();
        assert_eq!(own.floats(&buffer), [0.0; 16], "{device}: recorded, not handed over");
        let index = device.flush().unwrap().expect("a submission");
        own.device.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: None }).unwrap();
        assert_eq!(own.floats(&buffer), [3.0; 16], "{device}");
        let before = device.counters().submits;
        assert!(device.flush().unwrap().is_some(), "{device}: the last one, where there is nothing new");
        assert_eq!(device.counters().submits, before, "{device}");
    }
    assert!(Device::cpu().flush().unwrap().is_none());
}

#[test]
fn many_flushes_do_not_wait_and_keep_their_order() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::zeros([1000], DType::F32, &device).unwrap();
        for i in 0..100 {
            x.assign(&x * 0.5 + i as f32).unwrap();
            device.flush().unwrap();
        }
        let expected = (0..100).fold(0.0_f32, |x, i| x * 0.5 + i as f32);
        assert_eq!(x.to_vec::<f32>().unwrap(), [expected; 1000], "{device}");
    }
}
