//! Workgroup counts. Only this file splits work over axes.

/// Workgroups along x and y.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Grid {
    pub(crate) x: u32,
    pub(crate) y: u32,
}

impl Grid {
    /// Spreads `workgroups` over two axes of at most `limit` each, or `None` if they cannot fit.
    ///
    /// Both divisions round up. Rounding down would leave the last elements unwritten, and no bounds check in a
    /// kernel can notice work that was never dispatched. The kernel must ignore the few surplus workgroups this
    /// creates.
    pub(crate) fn split(workgroups: u32, limit: u32) -> Option<Self> {
        let y = workgroups.div_ceil(limit).max(1);
        if y > limit {
            return None;
        }
        Some(Self { x: workgroups.div_ceil(y), y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workgroup_is_dispatched() {
        for limit in [7, 65_535] {
            for workgroups in [0, 1, 6, 7, 8, 48, 49, 65_534, 65_535, 65_536, 131_070, 131_071, 4_000_000] {
                let Some(grid) = Grid::split(workgroups, limit) else {
                    assert!(u64::from(workgroups) > u64::from(limit) * u64::from(limit));
                    continue;
                };
                assert!(grid.x <= limit && grid.y <= limit);
                assert!(grid.x * grid.y >= workgroups, "{workgroups} in {grid:?}");
                assert!(grid.x * grid.y < workgroups + grid.y.max(1), "{workgroups} in {grid:?}");
            }
        }
    }
}
