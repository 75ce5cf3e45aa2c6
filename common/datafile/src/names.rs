//! The columns of a table that is no text.

use domain::row::Column;

use crate::{
    Rejection,
    header::{IGNORED, check_columns, column, shown},
};

/// Where each column stands in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// In the order of [`Column::ALL`].
    pub positions: Vec<usize>,
    /// The columns that nobody asked for: the first 100, of each at most 100 characters.
    pub ignored: Vec<String>,
}

impl Columns {
    /// Finds the columns by their names, in any order and case.
    ///
    /// # Errors
    ///
    /// When a column is missing, or stands there twice.
    pub fn find(names: &[String]) -> Result<Self, Rejection> {
        let slots: Vec<_> = names.iter().map(|name| column(name.trim())).collect();
        check_columns(&slots)?;
        let position = |column| slots.iter().position(|slot| *slot == Some(column));
        let others = names.iter().zip(&slots).filter(|(_, slot)| slot.is_none());
        Ok(Self {
            positions: Column::ALL.into_iter().filter_map(position).collect(),
            ignored: others.take(IGNORED).map(|(name, _)| shown(name)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(ToOwned::to_owned).collect()
    }

    #[test]
    fn columns_are_found_in_any_order_and_case() {
        let columns = Columns::find(&names("shop,Z,y,x,PRICE,table,depth,clarity,color,cut,Carat")).unwrap();
        assert_eq!(columns.positions, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(columns.ignored, ["shop"]);
    }

    #[test]
    fn a_missing_or_repeated_column_is_named() {
        let missing = Columns::find(&names("carat")).unwrap_err();
        assert!(
            missing.to_string().starts_with("the header lacks cut, color"),
            "{missing}"
        );
        let twice =
            Columns::find(&names("carat,cut,color,clarity,depth,table,price,x,y,z,Carat")).unwrap_err();
        assert_eq!(
            twice,
            Rejection::RepeatedColumn {
                column: Column::Carat
            }
        );
    }
}
