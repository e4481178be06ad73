//! Enums that the file writes as one word: variants, words and documentation in one declaration.

/// An enum that the file writes as one word.
pub(crate) trait Word: Copy + Sized + 'static {
    /// Every variant, in the order a message lists them.
    const VARIANTS: &'static [Self];

    /// Their words, in the same order.
    const WORDS: &'static [&'static str];

    /// The word of this variant.
    fn word(self) -> &'static str;

    /// The variant of this word.
    fn of_word(word: &str) -> Option<Self> {
        Self::VARIANTS.iter().find(|variant| variant.word() == word).copied()
    }
}

/// Declares an enum with the word of each variant. The name behind the type is that of the method that gives the word.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $type:ident, $name:ident {
            $( $(#[$doc:meta])* $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $type {
            $( $(#[$doc])* $variant, )+
        }

        impl $type {
            /// The word that the settings file uses.
            $vis fn $name(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl $crate::declare::values::Scalar for $type {
            fn read(
                value: &toml::de::DeValue<'_>,
                key: &$crate::declare::key::Key,
            ) -> Result<Self, $crate::declare::key::Complaint> {
                let word = value.as_str().and_then(<Self as $crate::word::Word>::of_word);
                word.ok_or_else(|| $crate::declare::values::unexpected(value, key))
            }

            fn print(&self, _spec: &$crate::declare::key::Spec) -> String {
                $crate::declare::text::quote($crate::word::Word::word(*self))
            }
        }

        impl $crate::word::Word for $type {
            const VARIANTS: &'static [Self] = &[$(Self::$variant),+];
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn word(self) -> &'static str {
                self.$name()
            }
        }
    };
}

pub(crate) use words;
