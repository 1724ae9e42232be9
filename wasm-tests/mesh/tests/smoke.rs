//! The bed itself.

use fairlead_mesh::mesh;

#[test]
fn the_mesh_starts() {
    let mesh = mesh().unwrap();
    println!("{:?}", mesh.memory().unwrap());
    println!("{}", mesh.kubectl(&["get", "ns"]).unwrap());
}
