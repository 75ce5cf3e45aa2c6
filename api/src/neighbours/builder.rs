//! Building the index, from samples that come in parts.

use domain::Sample;

use super::{COMBINATIONS, Column, Neighbours, combination};

/// Samples in the dataset's order, to be sorted.
#[derive(Default)]
pub struct Builder {
    combinations: Vec<u16>,
    columns: [Column; 7],
}

impl Builder {
    /// Adds samples after those that are there.
    pub fn add(&mut self, samples: &[Sample]) {
        for Sample { diamond, price } in samples {
            let combination = combination((diamond.cut, diamond.color, diamond.clarity));
            self.combinations
                .push(u16::try_from(combination).unwrap_or(u16::MAX));
            let numbers = [
                diamond.carat.get(),
                diamond.depth.get(),
                diamond.table.get(),
                diamond.x.get(),
                diamond.y.get(),
                diamond.z.get(),
                price.get(),
            ];
            for (column, number) in self.columns.iter_mut().zip(numbers) {
                column.push(number);
            }
        }
    }

    /// Sorts them, column after column.
    #[must_use]
    pub fn build(self) -> Neighbours {
        let Self {
            combinations,
            columns: [carat, depth, table, x, y, z, price],
        } = self;
        // Samples are counted in four bytes: the system's memory ends before they do.
        let mut order: Vec<u32> = (0..).take(combinations.len()).collect();
        order.sort_unstable_by(|a, b| {
            let (one, other) = (*a as usize, *b as usize);
            let grades = combinations[one].cmp(&combinations[other]);
            grades
                .then_with(|| carat.get(one).total_cmp(&carat.get(other)))
                .then(a.cmp(b))
        });
        let starts = starts(&combinations);
        drop(combinations);
        Neighbours {
            starts,
            carat: carat.sorted(&order),
            depth: depth.sorted(&order),
            table: table.sorted(&order),
            x: x.sorted(&order),
            y: y.sorted(&order),
            z: z.sorted(&order),
            price: price.sorted(&order),
        }
    }
}

fn starts(combinations: &[u16]) -> Vec<usize> {
    let mut starts = vec![0; COMBINATIONS + 1];
    for combination in combinations {
        starts[usize::from(*combination) + 1] += 1;
    }
    for place in 1..starts.len() {
        starts[place] += starts[place - 1];
    }
    starts
}
