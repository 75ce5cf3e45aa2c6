//! A column of numbers, in four bytes each where they are decimals of the trade, in eight otherwise.

/// What whole numbers in a column are divided by: enough for four decimals.
const SCALE: f64 = 10_000.0;

/// Numbers that come back bit by bit as they were put in.
pub(super) enum Column {
    /// Each times [`SCALE`].
    Decimals(Vec<u32>),
    /// As they are.
    Doubles(Vec<f64>),
}

impl Column {
    pub(super) fn get(&self, place: usize) -> f64 {
        match self {
            Self::Decimals(numbers) => decimal(numbers[place]),
            Self::Doubles(numbers) => numbers[place],
        }
    }

    pub(super) fn push(&mut self, number: f64) {
        match self {
            Self::Doubles(numbers) => numbers.push(number),
            Self::Decimals(numbers) => match scaled(number) {
                Some(whole) => numbers.push(whole),
                None => {
                    let doubles = numbers.iter().map(|whole| decimal(*whole));
                    *self = Self::Doubles(doubles.chain([number]).collect());
                }
            },
        }
    }

    /// The numbers in another order: the one at `order[0]` first.
    pub(super) fn sorted(self, order: &[u32]) -> Self {
        match self {
            Self::Decimals(numbers) => Self::Decimals(permuted(&numbers, order)),
            Self::Doubles(numbers) => Self::Doubles(permuted(&numbers, order)),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Decimals(numbers) => size_of_val(numbers.as_slice()),
            Self::Doubles(numbers) => size_of_val(numbers.as_slice()),
        }
    }
}

impl Default for Column {
    fn default() -> Self {
        Self::Decimals(Vec::new())
    }
}

fn permuted<T: Copy>(numbers: &[T], order: &[u32]) -> Vec<T> {
    order.iter().map(|place| numbers[*place as usize]).collect()
}

/// A decimal as the nearest double, which is the one that its text is read as.
fn decimal(whole: u32) -> f64 {
    f64::from(whole) / SCALE
}

fn scaled(number: f64) -> Option<u32> {
    let whole = (number * SCALE).round();
    // A cast takes what is too large to the largest there is, which gives another number back.
    let whole = whole as u32;
    (decimal(whole).to_bits() == number.to_bits()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back_as_they_were(numbers in proptest::collection::vec(prop_oneof![
            (0_u32..4_000_000).prop_map(|cents| f64::from(cents) / 100.0), any::<f64>()], 0..20)) {
            let mut column = Column::default();
            numbers.iter().for_each(|number| column.push(*number));
            for (place, number) in numbers.iter().enumerate() {
                prop_assert_eq!(column.get(place).to_bits(), number.to_bits());
            }
        }

        #[test]
        fn decimals_of_the_trade_take_four_bytes(text in "[1-9][0-9]{0,4}(\\.[0-9]{1,4})?") {
            let mut column = Column::default();
            column.push(text.parse().unwrap());
            prop_assert_eq!(column.bytes(), 4, "{}", text);
        }
    }
}
