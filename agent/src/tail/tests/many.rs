//! A directory with very many files.

use std::time::Duration;

use super::World;

const FILES: usize = 30_000;

#[test]
fn thirty_thousand_files_are_read_and_then_cost_next_to_nothing() {
    let mut world = World::with("*.log", "START_OF_FILE", r#", "maxTimeBetweenFileTrackerRefreshMillis": 10000"#);
    for file in 0..FILES {
        std::fs::write(world.path(&format!("app-{file}.log")), format!("{file}\n")).unwrap();
    }
    world.start();
    world.poll();
    assert_eq!(world.delivered.len(), FILES);
    let open = |world: &World| world.running.as_ref().unwrap().tailer.files.values().filter(|file| file.is_open()).count();
    assert!(open(&world) <= super::super::handles::MAX_HANDLES, "{} files are open", open(&world));
    for round in 0..20 {
        let touched = [3, 15_000, 29_999].map(|file| format!("app-{file}.log"));
        touched.iter().for_each(|name| world.append(name, &format!("round {round}\n")));
        let paths = touched.iter().map(|name| world.path(name)).collect();
        world.running.as_mut().unwrap().tailer.touch(&paths, world.now);
        world.now += Duration::from_millis(300);
        world.poll();
    }
    assert_eq!(world.delivered.len(), FILES + 60);
}
