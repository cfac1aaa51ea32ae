//! Ten drawn landscapes, so that the first page is not empty.
//!
//! Pure logic: colours and numbers in, pixels out; the same number always gives the same picture.

use image::{Rgb, RgbImage};

/// Who the pictures belong to.
pub(crate) const OWNER: &str = "weir";

const WIDTH: u32 = 960;
const HEIGHT: u32 = 640;

/// Colours from 0 to 1.
type Colour = [f32; 3];

/// A landscape: sky from top to horizon, sun, clouds, and hills from far to near.
pub(crate) struct Scene {
    pub(crate) title: &'static str,
    sky_top: Colour,
    sky_low: Colour,
    sun: Option<Sun>,
    /// 0: clear, 1: overcast.
    clouds: f32,
    hills_far: Colour,
    hills_near: Colour,
}

/// Position in parts of width and height, radius in parts of the height.
struct Sun {
    x: f32,
    y: f32,
    radius: f32,
    colour: Colour,
}

const fn rgb(hex: u32) -> Colour {
    [((hex >> 16) & 255) as f32 / 255.0, ((hex >> 8) & 255) as f32 / 255.0, (hex & 255) as f32 / 255.0]
}

const fn sun(x: f32, y: f32, radius: f32, hex: u32) -> Option<Sun> {
    Some(Sun { x, y, radius, colour: rgb(hex) })
}

#[rustfmt::skip]
pub(crate) const SCENES: [Scene; 10] = [
    Scene { title: "Night over the reservoir", sky_top: rgb(0x0b1030), sky_low: rgb(0x2d3f6e), sun: sun(0.72, 0.22, 0.05, 0xf4f1de), clouds: 0.25, hills_far: rgb(0x26345c), hills_near: rgb(0x080c1c) },
    Scene { title: "First light", sky_top: rgb(0x32406e), sky_low: rgb(0xf3b391), sun: sun(0.30, 0.60, 0.06, 0xffe3b3), clouds: 0.35, hills_far: rgb(0x8d7f9b), hills_near: rgb(0x2a2440) },
    Scene { title: "Morning haze", sky_top: rgb(0x9cc3dd), sky_low: rgb(0xf6e7d3), sun: sun(0.62, 0.42, 0.05, 0xfff6dd), clouds: 0.45, hills_far: rgb(0xb9cbd3), hills_near: rgb(0x4c6a70) },
    Scene { title: "Clear noon", sky_top: rgb(0x2f7fc9), sky_low: rgb(0xbfe3f5), sun: sun(0.50, 0.14, 0.05, 0xffffff), clouds: 0.20, hills_far: rgb(0x7fa9b8), hills_near: rgb(0x2c5a3a) },
    Scene { title: "Fair weather clouds", sky_top: rgb(0x3f86c6), sky_low: rgb(0xd4ecf7), sun: None, clouds: 0.60, hills_far: rgb(0x86aab0), hills_near: rgb(0x3d6b35) },
    Scene { title: "Before the rain", sky_top: rgb(0x5b6a78), sky_low: rgb(0xb6c0c4), sun: None, clouds: 0.85, hills_far: rgb(0x84949a), hills_near: rgb(0x2c3a3a) },
    Scene { title: "After the rain", sky_top: rgb(0x4a7fa8), sky_low: rgb(0xf1e2b8), sun: sun(0.82, 0.48, 0.05, 0xfff2c6), clouds: 0.55, hills_far: rgb(0x8fa595), hills_near: rgb(0x2f4a2c) },
    Scene { title: "Autumn afternoon", sky_top: rgb(0x6fa0c2), sky_low: rgb(0xf7dcae), sun: sun(0.22, 0.38, 0.05, 0xfff0cc), clouds: 0.40, hills_far: rgb(0xc39a6b), hills_near: rgb(0x6a3a1e) },
    Scene { title: "Red evening", sky_top: rgb(0x3b2a5a), sky_low: rgb(0xf2784b), sun: sun(0.55, 0.62, 0.08, 0xffd08a), clouds: 0.50, hills_far: rgb(0x8c4a5c), hills_near: rgb(0x1e1026) },
    Scene { title: "Snow on the hills", sky_top: rgb(0x86a9c8), sky_low: rgb(0xeef3f7), sun: sun(0.40, 0.26, 0.04, 0xffffff), clouds: 0.50, hills_far: rgb(0xd5e0ea), hills_near: rgb(0x8aa0b4) },
];

impl Scene {
    /// Draws the scene. `number` decides the shapes of clouds and hills.
    pub(crate) fn draw(&self, number: u32) -> RgbImage {
        const LAYERS: u32 = 4;
        let ridges: Vec<Vec<f32>> = (0..LAYERS).map(|layer| ridge(number, layer, LAYERS)).collect();
        RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let (across, down) = (x as f32 / WIDTH as f32, y as f32 / HEIGHT as f32);
            let hill = ridges.iter().rposition(|ridge| down > ridge[x as usize]);
            let colour = match hill {
                None => self.sky(across, down, number),
                Some(layer) => {
                    // Lighter towards the valley: mist lies there.
                    let depth = (down - ridges[layer][x as usize]).min(0.25);
                    let colour = mix(self.hills_far, self.hills_near, layer as f32 / (LAYERS - 1) as f32);
                    mix(colour, self.sky_low, 0.12 + depth * 0.6)
                }
            };
            Rgb(colour.map(|part| (part.clamp(0.0, 1.0) * 255.0).round() as u8))
        })
    }

    fn sky(&self, across: f32, down: f32, number: u32) -> Colour {
        let mut colour = mix(self.sky_top, self.sky_low, (down / 0.75).min(1.0).powf(1.3));
        if let Some(sun) = &self.sun {
            let width_to_height = WIDTH as f32 / HEIGHT as f32;
            let distance = ((across - sun.x) * width_to_height).hypot(down - sun.y);
            let glow = (1.0 - distance / (sun.radius * 8.0)).max(0.0).powi(3) * 0.7;
            let disc = 1.0 - smooth(sun.radius * 0.95, sun.radius * 1.05, distance);
            colour = mix(colour, sun.colour, glow.max(disc));
        }
        // Flatter towards the horizon, as clouds are.
        let density = layered_noise(across * 4.0 + number as f32 * 17.0, down * (6.0 + down * 8.0), number);
        let cloud = smooth(1.05 - self.clouds, 1.45 - self.clouds, density * 1.25 + 0.1) * 0.8;
        mix(colour, mix(self.sky_low, [1.0, 1.0, 1.0], 0.45), cloud)
    }
}

/// The height of a range of hills at every x, in parts of the picture's height. Nearer layers are lower and rougher.
fn ridge(number: u32, layer: u32, layers: u32) -> Vec<f32> {
    let nearness = layer as f32 / (layers - 1) as f32;
    let seed = number * 31 + layer * 7 + 100;
    let height = |x: u32| {
        let across = x as f32 / WIDTH as f32;
        0.60 + nearness * 0.26 - (layered_noise(across * (2.0 + nearness * 2.0) + seed as f32, 0.5, seed) - 0.3) * 0.30
    };
    (0..WIDTH).map(height).collect()
}

/// Value noise in four layers, each half as strong and twice as fine: 0 to 1.
fn layered_noise(x: f32, y: f32, seed: u32) -> f32 {
    let mut total = 0.0;
    let mut strength = 0.5;
    let (mut x, mut y) = (x, y);
    for layer in 0..4 {
        total += strength * noise(x, y, seed + layer);
        (x, y, strength) = (x * 2.0, y * 2.0, strength * 0.5);
    }
    total
}

fn noise(x: f32, y: f32, seed: u32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (smooth(0.0, 1.0, x - left), smooth(0.0, 1.0, y - top));
    let corner = |dx: i32, dy: i32| scramble(left as i32 + dx, top as i32 + dy, seed);
    let upper = corner(0, 0) * (1.0 - across) + corner(1, 0) * across;
    let lower = corner(0, 1) * (1.0 - across) + corner(1, 1) * across;
    upper * (1.0 - down) + lower * down
}

/// A number from 0 to 1 that looks random.
fn scramble(x: i32, y: i32, seed: u32) -> f32 {
    let mut bits = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2c1b_3c6d);
    bits = (bits ^ (bits >> 12)).wrapping_mul(0x297a_2d39);
    (bits ^ (bits >> 15)) as f32 / u32::MAX as f32
}

fn smooth(from: f32, to: f32, value: f32) -> f32 {
    let part = ((value - from) / (to - from)).clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

fn mix(one: Colour, other: Colour, part: f32) -> Colour {
    std::array::from_fn(|index| one[index] * (1.0 - part) + other[index] * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_has_sky_above_and_hills_below() {
        let night = SCENES[0].draw(0);
        let [_, _, sky] = night.get_pixel(10, 10).0;
        let [_, _, ground] = night.get_pixel(10, HEIGHT - 1).0;
        assert!(sky > ground, "sky {sky}, ground {ground}");
    }
}
