//! All tables of cases.

use fairlead_testkit::Result;
use fairlead_tests::place::{Needs, Place};

fn run(needs: &Needs, table: fn(&dyn Place)) -> Result {
    crate::run(needs, |bed| table(bed))
}

fairlead_tests::each_table! { super::run }
