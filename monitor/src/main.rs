fn main() {
    match monitor::sensor::load() {
        Ok(l) => {
            for a in &l.attached {
                println!("{} {:?}", a.hook.program, a.outcome);
            }
            std::thread::sleep(std::time::Duration::from_secs(
                std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0),
            ));
        }
        Err(e) => {
            let mut c: Option<&dyn std::error::Error> = Some(&e);
            while let Some(x) = c {
                println!("{x}");
                c = x.source();
            }
        }
    }
}
