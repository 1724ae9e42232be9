//! All tables of cases in the embedded bed, on a real Envoy.

fairlead_tests::each_table! { fairlead_tests::place::embedded }
