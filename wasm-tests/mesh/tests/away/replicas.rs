//! The API server away, or frozen, for longer than a Lease lasts: nobody leads, feeds go on, and afterwards one leads again.

use crate::replicas_fleet::{Fleet, LIMIT, Replica};
use fairlead_mesh::mesh;
use fairlead_testkit::{Result, wait};

/// Something done to the API server.
type Do<'a> = &'a dyn Fn() -> Result;

fn leading(replicas: &[Replica]) -> Vec<f64> {
    replicas.iter().map(|replica| replica.metric("fairlead_control_leading").unwrap()).collect()
}

#[test]
fn the_api_server_away_ends_leadership_and_nothing_else() {
    let _alone = crate::ALONE.blocking_lock();
    let mesh = mesh().unwrap();
    let fleet = Fleet::new(mesh, "away-fleet").unwrap();
    let replicas = fleet.start_together(2).unwrap();
    fleet.leader(&replicas).unwrap();
    let tls = fleet.tls(&fleet.gateway().unwrap()).unwrap();
    wait::until("one to lead", LIMIT, || (leading(&replicas).iter().sum::<f64>() == 1.0).then_some(()))
        .unwrap();
    let before: Vec<_> = replicas.iter().map(|replica| replica.poll(&tls, "", 0).unwrap()).collect();

    // Gone, and then there without answering anybody.
    let server = mesh.api_server();
    let losses: [(Do<'_>, Do<'_>); 2] =
        [(&|| server.kill(), &|| server.start_again()), (&|| server.freeze(), &|| server.thaw())];
    for (lose, bring_back) in losses {
        lose().unwrap();
        wait::until("nobody to lead", LIMIT, || (leading(&replicas) == [0.0, 0.0]).then_some(())).unwrap();
        for (replica, before) in replicas.iter().zip(&before) {
            assert_eq!(replica.poll(&tls, "", 0).unwrap()["epoch"], before["epoch"], "it goes on as it was");
        }
        bring_back().unwrap();
        wait::until("one to lead again", LIMIT, || {
            let leading = leading(&replicas);
            assert!(leading.iter().sum::<f64>() <= 1.0, "two lead: {leading:?}");
            (leading.iter().sum::<f64>() == 1.0).then_some(())
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", replicas[0].log()));
    }
}
