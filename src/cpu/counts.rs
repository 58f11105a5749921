//! Where items go that are put into groups, the chunks of them counted before.

/// From how many items each chunk has of each of so many groups, where the first of them goes: the groups one after the other,
/// in each of them the chunks. Returns where each group begins, and where the last ends.
pub(super) fn starts_of(counts: &mut [u32], groups: usize) -> Vec<usize> {
    let mut starts = vec![0; groups + 1];
    for of_chunk in counts.chunks(groups) {
        starts[1..].iter_mut().zip(of_chunk).for_each(|(start, &count)| *start += count as usize);
    }
    for group in 0..groups {
        starts[group + 1] += starts[group];
    }
    let mut next: Vec<u32> = starts.iter().map(|&start| start as u32).collect();
    for of_chunk in counts.chunks_mut(groups) {
        next.iter_mut().zip(of_chunk).for_each(|(next, count)| (*count, *next) = (*next, *next + *count));
    }
    starts
}
