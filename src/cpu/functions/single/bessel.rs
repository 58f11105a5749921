//! Modified Bessel functions: `lib/bessel.wgsl`.

use super::exp::exp_shifted;
use super::{Mad, least, most, poly};
use crate::cpu::functions::both::bessels;

/// Beyond this they are infinite.
const LAST: f32 = 95.0;
/// Up to here they are power series of the square of half the argument.
const BEYOND: f32 = 5.0;

bessels!(f32);

#[inline(always)]
fn i0_near<M: Mad<f32>>(z: f32) -> f32 {
    poly!(
        M,
        z,
        5.847_911e-25,
        1.315_780_1e-22,
        2.578_929e-20,
        4.358_39e-18,
        6.276_081e-16,
        7.594_058e-14,
        7.594_058e-12,
        6.151_187_3e-10,
        3.936_76e-8,
        1.929_012_3e-6,
        6.944_444_6e-5,
        0.001_736_111_1,
        0.027_777_778,
        0.25,
        1.0,
        1.0
    )
}

#[inline(always)]
fn i0_far<M: Mad<f32>>(t: f32) -> f32 {
    poly!(
        M,
        t,
        -0.000_276_961_95,
        -0.000_693_987_3,
        4.725_412e-5,
        0.002_253_526_8,
        0.005_595_042_4,
        0.017_287_824,
        0.105_098_25,
        1.448_986,
        103.486_595
    )
}

#[inline(always)]
fn i1_near<M: Mad<f32>>(z: f32) -> f32 {
    poly!(
        M,
        z,
        3.654_944_5e-26,
        8.771_867e-24,
        1.842_092e-21,
        3.352_607_5e-19,
        5.230_067_8e-17,
        6.903_689_5e-15,
        7.594_058_3e-13,
        6.834_652e-11,
        4.920_95e-9,
        2.755_732e-7,
        1.157_407_4e-5,
        0.000_347_222_23,
        0.006_944_444_5,
        0.083_333_336,
        0.5,
        1.0
    )
}

#[inline(always)]
fn i1_far<M: Mad<f32>>(t: f32) -> f32 {
    poly!(
        M,
        t,
        0.000_323_095_7,
        0.000_755_848_4,
        -0.000_152_410_75,
        -0.002_639_922_3,
        -0.006_631_447,
        -0.022_525_245,
        -0.164_690_08,
        -4.108_600_6,
        98.167_366
    )
}
