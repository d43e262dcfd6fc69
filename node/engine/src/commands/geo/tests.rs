use crate::commands::testing::check_golden;

#[test]
fn golden() {
    check_golden(include_str!("../testdata/geo.golden"));
}
