//! Which nodes keep a key: rendezvous hashing.
//!
//! Pure logic. Every node of the site ranks the servers of a key in the same order, whatever the order they are listed in;
//! when a server leaves, only its keys move, each to the next in its own order.

/// The servers' indexes, best first.
pub(crate) fn rank(place: &str, servers: &[String]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..servers.len()).collect();
    order.sort_by_key(|index| {
        let server = &servers[*index];
        (std::cmp::Reverse(score(place, server)), server)
    });
    order
}

/// FNV-1a over both, then the finalizer of SplitMix64. Not the standard library's hasher: that may differ between
/// versions of the compiler, and all nodes of a site must agree.
fn score(place: &str, server: &str) -> u64 {
    let bytes = place.bytes().chain([0]).chain(server.bytes());
    let mut hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_order_in_the_settings_does_not_matter() {
        let (one, other) = (names(&["a:1", "b:1", "c:1"]), names(&["c:1", "a:1", "b:1"]));
        for key in 0..100 {
            let by_name = |servers: &[String]| -> Vec<String> {
                rank(&key.to_string(), servers).into_iter().map(|index| servers[index].clone()).collect()
            };
            assert_eq!(by_name(&one), by_name(&other));
        }
    }

    #[test]
    fn keys_are_spread_and_only_those_of_a_lost_server_move() {
        let (three, two) = (names(&["a:1", "b:1", "c:1"]), names(&["a:1", "b:1"]));
        let mut counts = [0; 3];
        for key in 0..3000 {
            let order = rank(&key.to_string(), &three);
            counts[order[0]] += 1;
            let left: Vec<usize> = order.into_iter().filter(|index| *index != 2).collect();
            assert_eq!(rank(&key.to_string(), &two), left);
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }
}
